// Texts with their places filled in, and figures as people read them.

// {name} is a value; {name:one|several} is a word, by whether that value is 1
export function filled(text, values) {
  return text.replace(/{(\w+)(?::([^{}|]*)\|([^{}]*))?}/g, (_, name, one, several) => (one === undefined ? values[name] ?? "" : String(values[name]) === "1" ? one : several));
}

// "1234567.80" -> "1,234,567.80"; nothing is rounded
export function grouped(text) {
  const [whole, ...fraction] = String(text).split(".");
  return [whole.replace(/\B(?=(\d{3})+$)/g, ","), ...fraction].join(".");
}
