// Texts and numbers in the reader's language. A further language is one more file in texts/ and one more
// entry here (and in the server's table of files).
const LANGUAGES = ["en"];

let texts = {};
let plural = new Intl.PluralRules("en");
let language = "en";

/** Loads the texts of the best available language, and fills every element that has data-text. */
export async function loadTexts() {
  const wished = (navigator.languages ?? []).map((tag) => tag.split("-")[0]);
  language = wished.find((tag) => LANGUAGES.includes(tag)) ?? LANGUAGES[0];
  plural = new Intl.PluralRules(language);
  const response = await fetch(`texts/${language}.json`);
  texts = await response.json();
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = text(element.dataset.text);
  }
}

/** Whether there is a text of this name. */
export function hasText(key) {
  return Object.hasOwn(texts, key);
}

/** The text `key`, with `{name}` replaced by the value of that name. An unknown key is returned unchanged. */
export function text(key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** The text for a number of things: `key.one`, `key.other`, and any other plural forms of the language. */
export function textFor(count, key, values = {}) {
  return text(`${key}.${plural.select(count)}`, { count, ...values });
}

/** A number with a fixed number of digits after the point; a dash if it is unknown. */
export function number(value, digits = 0) {
  if (value === null || value === undefined) return "–";
  return new Intl.NumberFormat(language, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(value);
}

/** Like `number`, always with a sign. */
export function signed(value, digits = 2) {
  if (value === null || value === undefined) return "–";
  return new Intl.NumberFormat(language, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    signDisplay: "exceptZero",
  }).format(value);
}

/** A fraction as a percentage. */
export function percent(fraction) {
  return new Intl.NumberFormat(language, { style: "percent" }).format(fraction);
}

/** Several words as a list. */
export function list(words) {
  return new Intl.ListFormat(language, { style: "short", type: "unit" }).format(words);
}

/** Seconds as days, hours and minutes, or minutes and seconds. */
export function duration(seconds) {
  const two = (part) => String(Math.floor(part)).padStart(2, "0");
  const [days, hours, minutes] = [seconds / 86400, (seconds / 3600) % 24, (seconds / 60) % 60];
  if (days >= 1) return `${Math.floor(days)} d ${Math.floor(hours)} h`;
  if (hours >= 1) return `${Math.floor(hours)} h ${two(minutes)} min`;
  return `${Math.floor(minutes)}:${two(seconds % 60)}`;
}
