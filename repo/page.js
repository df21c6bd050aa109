// SPDX-License-Identifier: GPL-3.0-or-later
// Search and copy buttons: the pages say everything without them.
"use strict";

for (const block of document.querySelectorAll("pre.copy")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    const text = block.querySelector("code").textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch (error) {
      // Plain http has no clipboard: select it, so that the keyboard can copy.
      getSelection().selectAllChildren(block.querySelector("code"));
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  block.append(button);
}

const search = document.querySelector(".search");
if (search) {
  const rows = [...document.querySelectorAll("table.packages tbody tr")]
    .map((row) => [row, row.textContent.toLowerCase()]);
  const input = search.querySelector("input");
  const told = search.querySelector("[role=status]");
  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const [row, text] of rows) {
      const found = words.every((word) => text.includes(word));
      row.hidden = !found;
      count += found;
    }
    told.textContent = words.length ? `${count} found` : "";
  };
  search.hidden = false;
  input.addEventListener("input", show);
  show();
}
