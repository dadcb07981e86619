// Where one may go and who one is: in the bar of every desk, in the wall's menu. `places`: [path, text's key, permission].
export const Links = {
  template: `<nav :aria-label="texts.menu"><a v-for="[path, key] in links" :key="path" :href="path + '?lang=' + lang">{{ texts[key] }}</a></nav>`,
  props: { texts: Object, lang: String, places: Array, me: Object },
  computed: { links() { return this.places.filter(([path, , what]) => path !== location.pathname && !!this.me && this.me.may.includes(what)); } },
};

// signed in: by what name, and the way out; else the way in, where there is one
export const Account = {
  template: `
  <form class="who" v-if="me && me.name" method="post" action="/sign-out"><b>{{ me.display_name || me.name }}</b><button class="link">{{ texts.sign_out }}</button></form>
  <a class="enter" v-else-if="me && me.can_sign_in" :href="signIn()">{{ texts.sign_in }}</a>`,
  props: { texts: Object, lang: String, me: Object },
  methods: { signIn() { return signInPath(this.lang); } },
};

// back to this very page afterwards
export function signInPath(lang) { return "/sign-in?lang=" + lang + "&next=" + encodeURIComponent(location.pathname + location.search); }
