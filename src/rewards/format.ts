import { defineReward } from "./reward.ts";

const occurrences = (text: string, part: string): number => text.split(part).length - 1;
const isOnce = (text: string, tag: string): boolean =>
  occurrences(text, `<${tag}>`) === 1 && occurrences(text, `</${tag}>`) === 1;

/** Whether the text is these tags with their contents, in order, and nothing but space between. */
function isInOrder(text: string, tags: readonly string[]): boolean {
  let rest = text.trim();
  for (const tag of tags) {
    if (!rest.startsWith(`<${tag}>`)) return false;
    const end = rest.indexOf(`</${tag}>`);
    if (end < 0) return false;
    rest = rest.slice(end + tag.length + 3).trimStart();
  }
  return rest === "";
}

export const format = defineReward("format", ({ tags, partial }) => ({ completion }) => {
  const once = tags.filter((tag) => isOnce(completion, tag)).length;
  if (partial) return once / tags.length;
  return Number(once === tags.length && isInOrder(completion, tags));
});
