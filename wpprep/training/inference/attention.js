"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const bytes = Uint8Array.from(atob(data.weights), (c) => c.charCodeAt(0));
const n = data.tokens.length;
const state = { layer: 0, head: 0, token: 0 };
const heads = document.getElementById("heads");
const tokens = document.getElementById("tokens");
const large = document.getElementById("large");
const dark = matchMedia("(prefers-color-scheme: dark)");

// A weight's byte is the root of the weight times 255: the root is what is painted, its square what is written.
const at = (layer, head, from, to) => bytes[((layer * data.heads + head) * n + from) * n + to];
const share = (byte) => (byte / 255) ** 2;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function parts(hex) {
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

// One pixel a weight, from paper to the mark's colour.
function paint(canvas, layer, head) {
  canvas.width = canvas.height = n;
  const context = canvas.getContext("2d");
  const image = context.createImageData(n, n);
  const paper = parts(colour("--paper")), mark = parts(colour("--mark"));
  for (let i = 0; i < n * n; i++) {
    const byte = bytes[(layer * data.heads + head) * n * n + i] / 255;
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = paper[c] + (mark[c] - paper[c]) * byte;
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

function label(text, row, column) {
  const span = document.createElement("span");
  span.textContent = text;
  span.style.gridArea = `${row} / ${column}`;
  heads.append(span);
}

function build() {
  heads.style.gridTemplateColumns = `auto repeat(${data.heads}, minmax(30px, 220px))`;
  for (let head = 0; head < data.heads; head++) label(`${head + 1}`, 1, head + 2);
  for (let layer = 0; layer < data.layers; layer++) {
    label(`${layer + 1}`, layer + 2, 1);
    for (let head = 0; head < data.heads; head++) {
      const button = document.createElement("button");
      button.type = "button";
      button.style.gridArea = `${layer + 2} / ${head + 2}`;
      button.setAttribute("aria-label", `Layer ${layer + 1}, head ${head + 1}`);
      button.append(document.createElement("canvas"));
      button.addEventListener("click", () => choose({ layer, head }, false));
      heads.append(button);
    }
  }
  data.tokens.forEach((text, token) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(document.createTextNode(text), document.createElement("i"));
    button.addEventListener("click", () => choose({ token }, false));
    tokens.append(button);
  });
  heads.addEventListener("keydown", (event) => {
    const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!move) return;
    event.preventDefault();
    const clamp = (value, most) => Math.max(0, Math.min(most - 1, value));
    choose({ layer: clamp(state.layer + move[0], data.layers), head: clamp(state.head + move[1], data.heads) }, true);
  });
  tokens.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!move) return;
    event.preventDefault();
    choose({ token: Math.max(0, Math.min(n - 1, state.token + move)) }, false);
    tokens.children[state.token].focus();
  });
  large.addEventListener("click", (event) => {
    const box = large.getBoundingClientRect(), side = margin();
    const row = Math.floor((event.clientY - box.top - side) / cell());
    if (row >= 0 && row < n) choose({ token: row }, false);
  });
}

// Only what is chosen is on the way of the Tab key; arrow keys reach the rest.
function mark(buttons, chosen) {
  buttons.forEach((button, i) => {
    button.setAttribute("aria-pressed", i === chosen);
    button.tabIndex = i === chosen ? 0 : -1;
  });
}

function choose(change, focus) {
  Object.assign(state, change);
  const buttons = [...heads.querySelectorAll("button")];
  const index = state.layer * data.heads + state.head;
  mark(buttons, index);
  mark([...tokens.children], state.token);
  if (focus) buttons[index].focus();
  document.getElementById("name").textContent = `Layer ${state.layer + 1}, head ${state.head + 1}`;
  const row = [...data.tokens.keys()].map((to) => at(state.layer, state.head, state.token, to));
  const best = [...row.keys()].sort((a, b) => row[b] - row[a]).slice(0, 3);
  const named = best.map((to) => `${data.tokens[to]} ${Math.round(100 * share(row[to]))} %`).join(", ");
  document.getElementById("looks").textContent = `${data.tokens[state.token]} looks at ${named}. Choose another token:`;
  [...tokens.children].forEach((button, to) => {
    const percent = Math.round(100 * share(row[to]));
    button.querySelector("i").style.width = `${(100 * row[to]) / 255}%`;
    button.title = `${percent} %`;
    button.setAttribute("aria-label", `${data.tokens[to]}, ${percent} percent`);
  });
  enlarge();
}

const cell = () => Math.max(12, Math.min(28, Math.floor(560 / n)));
const margin = () => Math.min(110, 16 + 7 * Math.max(...data.tokens.map((text) => text.length)));

// The chosen head with its tokens written along both sides.
function enlarge() {
  const size = cell(), side = margin(), scale = devicePixelRatio || 1, total = side + n * size + 2;
  large.width = large.height = total * scale;
  large.style.width = large.style.height = `${total}px`;
  const context = large.getContext("2d");
  context.scale(scale, scale);
  context.imageSmoothingEnabled = false;
  const square = document.createElement("canvas");
  paint(square, state.layer, state.head);
  context.drawImage(square, side, side, n * size, n * size);
  context.font = `${Math.min(13, size - 1)}px ui-monospace, monospace`;
  context.textBaseline = "middle";
  data.tokens.forEach((text, i) => {
    context.fillStyle = i === state.token ? colour("--chosen") : colour("--ink");
    context.textAlign = "right";
    context.fillText(text, side - 5, side + (i + 0.5) * size, side - 6);
    context.save();
    context.translate(side + (i + 0.5) * size, side - 5);
    context.rotate(-Math.PI / 2);
    context.textAlign = "left";
    context.fillStyle = colour("--ink");
    context.fillText(text, 0, 0, side - 6);
    context.restore();
  });
  context.strokeStyle = colour("--chosen");
  context.lineWidth = 2;
  context.strokeRect(side, side + state.token * size, n * size, size);
}

function paintAll() {
  [...heads.querySelectorAll("canvas")].forEach((canvas, i) => {
    paint(canvas, Math.floor(i / data.heads), i % data.heads);
  });
}

build();
paintAll();
choose({}, false);
dark.addEventListener("change", () => { paintAll(); enlarge(); });
