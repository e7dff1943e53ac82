"use strict";
// Writing and keys: the draft is kept a second after the typing stops, what was sent can be taken back while the seconds
// count, and everything can be done from the keyboard.
{
  const get = cw.get, form = () => get("write");
  let timer = 0, saving = null, changed = false, tries = 0, refused = false, keys = true;
  try { keys = localStorage.getItem("chartwire-keys") !== "off"; } catch { /* no storage: on */ }

  // Drafts. What cannot be kept stays changed, and is tried again ever more slowly until it is kept or the page ends. Such a try is
  // the page's own doing: it does not keep its user signed in.
  const state = text => { const s = get("c-state"); if (s) s.textContent = text; };
  const body = files => {
    const f = new FormData(form());
    if (!files) f.delete("files");
    return f;
  };
  const fill = f => get("text")?.value || f.elements.draft.value;
  const stays = "What you wrote is not kept yet, so nothing else was done. It is tried again.";
  const again = (why, status = 0) => {
    changed = true;
    refused = status >= 400 && status < 500;
    if (!tries) cw.say("What you wrote is not kept yet.");
    state("Not kept yet; it is tried again. " + why);
    clearTimeout(timer);
    timer = setTimeout(keep, Math.min(60000, 2000 * 2 ** tries++), true);
  };
  const save = async (f, quiet) => {
    try {
      const r = await cw.fetch(f.dataset.draft, { method: "POST", body: body(false), headers: { Accept: "application/json", ...quiet && { "X-Chartwire-Quiet": "1" } } });
      const d = await r.json();
      if (f !== form()) return;
      if (!r.ok) return again(d.text, r.status);
      if ("begins" in f.dataset && !f.elements.draft.value) here(f.dataset.begins + "?draft=" + encodeURIComponent(d.id));
      f.elements.draft.value = d.id;
      f.elements.version.value = d.version;
      if (get("alarm-text").textContent === stays) cw.alarm("");
      tries = 0;
      state("Draft kept.");
    } catch { if (f === form()) again("Check the network."); }
  };
  const keep = cw.keep = async quiet => {
    clearTimeout(timer);
    while (saving) await saving;
    const f = form();
    if (!changed) return;
    changed = false; // also where there is nothing to keep, or nowhere any more
    if (!f || !fill(f)) return;
    saving = save(f, quiet);
    await saving;
    saving = null;
  };
  const later = () => { changed = true; clearTimeout(timer); timer = setTimeout(keep, 1000); };

  // leave sends what is not kept while the page goes away, and what is just being kept, which may end with the page. Of that it is
  // not known which version it has: one of the two is right.
  const leave = () => {
    const f = form();
    if (!f || !changed && !saving || !fill(f)) return;
    const kept = Number(f.elements.version.value);
    for (const version of saving && f.elements.draft.value ? [kept, kept + 1] : [kept]) {
      const b = body(false);
      b.set("version", version);
      cw.fetch(f.dataset.draft, { method: "POST", body: b, keepalive: true, headers: { Accept: "application/json" } }).catch(() => {}); // nobody is there to be told
    }
  };
  addEventListener("pagehide", leave);
  addEventListener("popstate", () => keep());

  // here says where this page is found again, now that its draft has a name: by the reload, and by whatever comes back to it.
  const here = at => {
    cw.page().dataset.here = at;
    for (const back of document.querySelectorAll("#cover [name=back]")) back.value = at;
    if (htmx.config.historyEnabled && at.startsWith(location.pathname)) history.replaceState(history.state, "", at);
  };

  // resave sends the whole composer, files too, and shows it as the server has it; the text stays as it is being typed.
  const resave = async () => {
    clearTimeout(timer);
    while (saving) await saving;
    const at = form(), id = document.activeElement.id;
    state("Keeping…");
    changed = false;
    saving = (async () => {
      try {
        const r = await cw.fetch(at.dataset.draft, { method: "POST", body: body(true) });
        const doc = new DOMParser().parseFromString(await r.text(), "text/html"), fresh = doc.getElementById("composer"), mine = get("composer");
        if (at !== form()) return;
        if (!fresh || !mine) return again(doc.querySelector("main p")?.textContent || "", r.status);
        const typed = get("text")?.value || "", open = get("c-change")?.open, seen = get("seen")?.value;
        mine.replaceWith(fresh);
        if ("begins" in at.dataset) here(doc.getElementById("page").dataset.here);
        htmx.process(fresh);
        if (get("text")) get("text").value = typed;
        if (get("seen")) get("seen").value = seen; // the messages were not shown anew
        if (get("c-change")) get("c-change").open = open;
        if (!r.ok) later(); // of a call that is refused nothing is kept, of its text neither
        (get("problem") || get(id) || get("composer-title")).focus({ preventScroll: true });
        cw.say(get("problem")?.innerText || get("c-read")?.innerText || "");
      } catch { if (at === form()) again("Check the network."); }
    })();
    await saving;
    saving = null;
  };
  document.addEventListener("input", e => { if (e.target.form === form() && !e.target.matches("[data-save]")) later(); });
  document.addEventListener("change", e => {
    if (e.target.matches("[data-save]")) resave();
    if (e.target.matches("[data-go]")) e.target.form.requestSubmit();
    if (e.target.id === "keys-on") {
      keys = e.target.checked;
      try { localStorage.setItem("chartwire-keys", keys ? "on" : "off"); } catch { /* for this page only */ }
    }
  });
  // Whatever takes the page's place waits for what was typed to be kept. Where that fails it is left to the user; only what a post has
  // to put right, such as a draft that was sent in another window, is for its own answer to say. A first post waits for its draft: sent
  // twice, by a second press or after a failure of the network, it is still one message.
  document.addEventListener("htmx:confirm", async e => {
    const { elt: at, triggeringEvent, issueRequest } = e.detail, by = triggeringEvent?.submitter, mine = at === form();
    if (mine && !at.elements.draft.value) changed = true;
    if (!changed && !saving) return;
    e.preventDefault();
    get("busy").classList.add("htmx-request");
    do await keep(); while (changed && !tries);
    get("busy").classList.remove("htmx-request");
    if (changed && !(mine && refused)) return cw.alarm(stays, mine ? "Go on all the same" : "Leave without it", () => { changed = false; issueRequest(true); });
    changed = false;
    clearTimeout(timer);
    if (at.isConnected) issueRequest(true);
    else if (mine) form()?.requestSubmit(by && get(by.id)); // shown anew meanwhile, with the file that was added
    else get((by || at).id)?.click();
  });
  document.addEventListener("click", e => {
    const ask = e.target.closest?.("[data-ask]");
    if (ask && !ask.dataset.asked) { e.preventDefault(); ask.dataset.asked = "1"; ask.textContent = ask.dataset.ask; cw.say(ask.dataset.ask); }
  }, true);

  // Copying. In a frame of another site the clipboard is open to what the user has selected, and to nothing else.
  document.addEventListener("click", e => {
    const copy = e.target.closest?.("[data-copy]");
    if (!copy) return;
    get(copy.dataset.copy).select();
    const done = document.execCommand("copy");
    copy.textContent = done ? "Copied" : "Selected: copy it with Ctrl+C";
    cw.say(copy.textContent);
  });

  // Taking back.
  cw.tick = root => {
    for (const undo of root.querySelectorAll(".undo[data-left]")) {
      const until = performance.now() + undo.dataset.left * 1000, count = undo.querySelector(".count");
      cw.say("The message goes in " + undo.dataset.left + " seconds. Undo is there until then.");
      const every = setInterval(() => {
        const left = Math.ceil((until - performance.now()) / 1000);
        if (!undo.isConnected) return clearInterval(every);
        count.textContent = " (" + Math.max(0, left) + " s)";
        if (left === 5) cw.say("5 seconds left to undo.");
        if (left > 0) return;
        clearInterval(every);
        undo.textContent = "Going out…";
        cw.say("The message is going out.");
        setTimeout(cw.refresh, 1000);
      }, 1000);
    }
  };

  // Another patient was opened: this page is covered until somebody has looked whose it is. A browser may close a dialog by Esc
  // without asking; then it comes back. What is written below it stays as it is, and is kept meanwhile.
  cw.cover = () => {
    const at = cw.page(), d = get("cover");
    at.dataset.covered = "";
    if (d && !d.open) {
      d.onclose = () => { if (d.isConnected && "covered" in at.dataset) d.showModal(); };
      d.showModal();
    }
    keep();
  };
  document.addEventListener("submit", async e => {
    const at = cw.page(), d = e.target.closest("#cover");
    if (!d) return;
    e.preventDefault();
    try {
      const r = await cw.fetch(e.target.getAttribute("action"), { method: "POST", body: new URLSearchParams(new FormData(e.target)), redirect: "manual" });
      if (r.type !== "opaqueredirect") throw new Error(r.status);
      delete at.dataset.covered;
      get("cover-failed").hidden = true;
      d.close();
    } catch { get("cover-failed").hidden = false; }
    cw.refresh();
  }, true);

  // Photos.
  document.addEventListener("click", async e => {
    const a = e.target.closest?.("a[data-zoom]");
    if (!a) { if (e.target.id === "zoom-in") full(e.target); return; }
    e.preventDefault();
    const d = get("zoom"), img = get("zoom-img"), alt = a.querySelector("img").alt;
    get("zoom-name").textContent = img.alt = alt;
    full(get("zoom-in"), false);
    d.showModal();
    try { img.src = await cw.picture(a.getAttribute("href")); } catch { get("zoom-name").textContent = "The photo could not be fetched."; }
  });
  const full = (button, on = button.getAttribute("aria-pressed") !== "true") => {
    button.setAttribute("aria-pressed", on);
    document.querySelector("#zoom .picture").classList.toggle("full", on);
  };

  // Keys. Single letters act only outside of fields, and can be turned off.
  const rows = () => [...document.querySelectorAll("[data-row]")];
  const row = () => document.activeElement.closest?.("[data-row], .row, .entry");
  const step = by => {
    const all = rows(), now = all.findIndex(r => r === document.activeElement || r.closest("li").contains(document.activeElement));
    const to = all[now < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, now + by))];
    if (to) { to.focus(); to.scrollIntoView({ block: "nearest" }); }
  };
  const open = wanted => { // in a list: the thread of the row, then the place in it
    const a = row()?.closest("li")?.querySelector("a[data-row]");
    if (a) { cw.wanted = wanted; a.click(); }
  };
  const acts = {
    j: () => step(1), k: () => step(-1),
    r: () => get("text") ? get("text").focus() : open("#text"),
    a: () => { if (get("work")) { get("work").open = true; get("assign")?.focus(); } else { open("#assign"); } },
    e: () => (row()?.closest("li")?.querySelector("form[data-key=e]") || document.querySelector("#work form[data-key=e]"))?.requestSubmit(),
    u: () => document.querySelector("nav a")?.click(),
    "?": () => get("keys").showModal(),
  };
  document.addEventListener("keydown", e => {
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey) && e.target.form === form() && form()) { e.preventDefault(); return form().requestSubmit(get("send")); }
    if (!keys && e.key !== "?" || e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input:not([type=checkbox]), textarea, select") || document.querySelector("dialog[open]") || !acts[e.key]) return;
    e.preventDefault();
    acts[e.key]();
  });
  document.addEventListener("click", e => { if (e.target.id === "help") { e.preventDefault(); e.stopPropagation(); get("keys").showModal(); } }, true);

  // What can be done with the thread is beside it where there is room, and folded above it elsewhere until the user opens it.
  const wide = matchMedia("(min-width: 62rem)"), fold = () => { const w = get("work"); if (w && !("chosen" in w.dataset)) w.open = wide.matches; };
  wide.addEventListener("change", fold);
  document.addEventListener("click", e => { if (e.target.closest?.("#work > summary")) get("work").dataset.chosen = ""; });

  // begin finds where a thread is read from: the message the address names, the oldest that waits for an answer, the newest.
  const begin = log => {
    const all = [...log.children], named = location.hash.startsWith("#e-") && all.find(e => e.id === location.hash.slice(1));
    const open = "waits" in log.dataset && all.slice(all.findLastIndex(e => e.matches(".staff")) + 1).find(e => e.matches(".patient:not(.gone), .proxy:not(.gone)"));
    return named || open || all.at(-1);
  };
  const arrived = (at, moved) => {
    const first = moved && get("entries") && begin(get("entries")), sent = at.querySelector(".undo"), text = get("text");
    const writing = cw.writing(at);
    if (!writing) text?.setSelectionRange(text.value.length, text.value.length); // one writes on, not before what is there
    if (!moved && sent) sent.closest("li").scrollIntoView({ block: "nearest" });
    if (!first || cw.wanted || writing) return;
    if (first.previousElementSibling) first.scrollIntoView(); else scrollTo(0, 0);
    cw.wanted = "#" + CSS.escape(first.id);
    cw.say(at.querySelector("h1").innerText);
  };

  cw.arrivals.push((at, moved) => {
    changed = false;
    tries = 0;
    const on = get("keys-on");
    if (on) on.checked = keys;
    fold();
    if (cw.wanted === "#assign") get("work").open = true;
    arrived(at, moved);
    cw.tick(at);
  });
}
