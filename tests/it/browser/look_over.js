// Looks over the page as it stands and names what could shut somebody out. arguments[0]: the language it should have.
const wrong = [];
const all = (css, root = document) => [...root.querySelectorAll(css)];
const name = e => e.outerHTML.replace(/\s+/g, ' ').slice(0, 110);
const must = (good, what) => { if (!good) wrong.push(what); };
const hidden = e => {
  if (!e.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return true;
  for (let at = e; at && at !== document.body; at = at.parentElement) {
    const box = at.getBoundingClientRect();
    if (getComputedStyle(at).overflow === 'hidden' && box.width <= 1 && box.height <= 1) return true;
    if (box.right <= 0) return true; // a skip link out of sight
  }
  return false;
};
// What is folded is somebody's page too.
all('details').forEach(d => { d.open = true; });

// Language, title, headings, landmarks.
must(document.documentElement.lang === arguments[0], `html lang is ${document.documentElement.lang}`);
must(document.title.trim(), 'no title');
must(all('h1').length === 1, `${all('h1').length} h1`);
let level = 1;
for (const h of all('h1, h2, h3, h4, h5, h6')) {
  const n = Number(h.tagName[1]);
  must(n <= level + 1, `a heading is skipped before ${name(h)}`);
  must(h.textContent.trim(), `an empty heading: ${name(h)}`);
  level = n;
}
must(all('main').length === 1, `${all('main').length} main`);
must(all('body > header').length === 1, 'no banner');
for (const part of document.body.children) must(part.matches('header, main, footer, nav, a.skip'), `outside of all landmarks: ${name(part)}`);
for (const nav of all('nav')) must((nav.getAttribute('aria-label') || '').trim(), `a nav without a name: ${name(nav)}`);
const skip = document.querySelector('a.skip');
must(skip && document.querySelector(skip.getAttribute('href'))?.matches('main'), 'no link that skips to the content');

// Names and references.
const ids = all('[id]').map(e => e.id);
for (const id of ids) must(ids.indexOf(id) === ids.lastIndexOf(id), `two of id ${id}`);
for (const attribute of ['aria-describedby', 'aria-labelledby', 'for']) {
  for (const e of all(`[${attribute}]`)) {
    for (const id of e.getAttribute(attribute).split(/\s+/)) must(document.getElementById(id)?.textContent.trim() || document.getElementById(id)?.labels, `${attribute}="${id}" leads nowhere: ${name(e)}`);
  }
}
for (const a of all('a[href^="#"]')) must(document.querySelector(a.getAttribute('href')), `leads nowhere: ${name(a)}`);
for (const e of all('a[href], button, summary')) must(e.textContent.trim() || e.getAttribute('aria-label'), `without a name: ${name(e)}`);
const controls = all('input:not([type=hidden]), select, textarea');
for (const e of controls) {
  must([...e.labels].some(l => l.textContent.trim()), `without a label: ${name(e)}`);
  if (e.matches('[type=radio], [type=checkbox]') && all(`[name="${e.name}"]`, e.form).length > 1) {
    must(e.closest('fieldset')?.querySelector(':scope > legend')?.textContent.trim(), `a choice without a legend: ${name(e)}`);
  }
}
for (const e of all('[aria-invalid=true]')) {
  const said = (e.getAttribute('aria-describedby') || '').split(/\s+/).some(id => document.getElementById(id)?.matches('.error, .fault'));
  must(said, `wrong, and nothing says why: ${name(e)}`);
}
for (const th of all('th')) must(th.scope, `a heading of nothing: ${name(th)}`);
for (const e of all('[tabindex]')) must(e.tabIndex <= 0, `an order of its own: ${name(e)}`);
for (const img of all('img')) must(img.hasAttribute('alt'), `a picture without words: ${name(img)}`);

// Targets of 24 pixels or more, labels counted in (2.5.8); links within sentences are exempt.
for (const e of [...controls, ...all('button, summary, nav a, a.button')].filter(e => !hidden(e))) {
  const boxes = [e, ...(e.labels || [])].map(t => t.getBoundingClientRect());
  must(boxes.some(b => b.width >= 24 && b.height >= 24), `too small to hit: ${name(e)}`);
}

// Contrast (1.4.3, taken as 4.5 for large text too; 1.4.11 for the edges of fields).
const colour = text => {
  const parts = /^rgba?\(([^)]+)\)$/.exec(text)?.[1].split(/[ ,/]+/).map(Number);
  if (!parts) { wrong.push(`a colour that cannot be read: ${text}`); return [0, 0, 0, 0]; }
  return parts.length === 4 ? parts : [...parts, 1];
};
const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
const ground = e => {
  const layers = [];
  for (let at = e; at; at = at.parentElement) {
    const style = getComputedStyle(at);
    must(style.backgroundImage === 'none', `text over a picture: ${name(at)}`);
    layers.push(colour(style.backgroundColor));
  }
  return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
};
const light = c => {
  const [r, g, b] = c.map(v => v / 255).map(v => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
};
const seen = new Set();
const readable = (e, text, behind, least, what) => {
  const ratio = contrast(over(colour(text), behind), behind);
  const said = `contrast ${ratio.toFixed(2)} of ${what}: ${name(e)}`;
  if (ratio < least && !seen.has(said)) { seen.add(said); wrong.push(said); }
};
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let counted = 0;
while (texts.nextNode()) {
  const e = texts.currentNode.parentElement;
  if (!texts.currentNode.data.trim() || e.closest('option, textarea, script, style') || hidden(e)) continue;
  counted += 1;
  readable(e, getComputedStyle(e).color, ground(e), 4.5, 'text');
  for (const part of ['::before', '::after']) {
    const style = getComputedStyle(e, part);
    if (!['none', 'normal', '""'].includes(style.content)) readable(e, style.color, ground(e), 4.5, part);
  }
}
must(counted > 3, 'there is hardly any text');
for (const e of controls.filter(e => !hidden(e) && !e.matches('[type=radio], [type=checkbox]'))) {
  const style = getComputedStyle(e);
  readable(e, style.color, ground(e), 4.5, 'what is typed');
  if (e.placeholder) readable(e, getComputedStyle(e, '::placeholder').color, ground(e), 4.5, 'placeholder');
  readable(e, style.borderTopColor, ground(e.parentElement), 3, 'the edge');
}

// A window of 320 pixels scrolls in one direction only (1.4.10); wider ones do too.
const wide = document.documentElement.clientWidth;
if (document.scrollingElement.scrollWidth > wide) {
  wrong.push(`scrolls sideways: ${document.scrollingElement.scrollWidth} px in ${wide} px`);
  wrong.push(...all('body *').filter(e => !hidden(e) && e.getBoundingClientRect().right > wide + 1).slice(0, 5).map(e => `sticks out: ${name(e)}`));
}
return wrong;
