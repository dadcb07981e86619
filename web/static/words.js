// Texts with their places filled in, and figures as people read them.

// {name} is a value; {name:one|several} is a word, by whether that value is 1
export function filled(text, values) {
  return text.replace(/{(\w+)(?::([^{}|]*)\|([^{}]*))?}/g, (_, name, one, several) => (one === undefined ? values[name] ?? "" : String(values[name]) === "1" ? one : several));
}

// Whole yuan of an amount in fen, the fen cut off: the rule of `whole` in processors/report_text.py, by which reports are spoken.
const whole = (fen) => Math.trunc(fen / 100) + 0; // no -0
export function yuan(fen) { return "¥" + whole(fen).toLocaleString("en-US"); }

// How far two amounts in fen are apart as they are shown; where they look the same, to the fen.
export function apart(one, other) {
  const fen = 100 * Math.abs(whole(one) - whole(other)) || Math.abs(one - other);
  return fen < 100 ? "¥" + (fen / 100).toFixed(2) : yuan(fen);
}

// "1234567.80" -> "1,234,567.80"; nothing is rounded
export function grouped(text) {
  const [whole, ...fraction] = String(text).split(".");
  return [whole.replace(/\B(?=(\d{3})+$)/g, ","), ...fraction].join(".");
}
