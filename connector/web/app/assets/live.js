"use strict";
// The page follows what happens. The stream says only which thread changed; the page then fetches itself and takes over the
// parts that differ, so that focus, what is open and what is being written stay as they are.
{
  let stream = null, url = "", pause = 1000, busy = false, due = false, warn = 0;
  const was = new WeakMap(); // element → as the server wrote it

  const note = root => { for (const e of root.querySelectorAll("[data-part], [data-log] > *, #c-read")) was.set(e, e.outerHTML); };

  // swap puts new in old's place and keeps what the user had there.
  const swap = (old, fresh) => {
    const text = fresh.outerHTML, id = old.contains(document.activeElement) ? document.activeElement.id : "";
    const open = [...old.querySelectorAll("details[open]")].map(d => d.id);
    old.replaceWith(fresh);
    was.set(fresh, text);
    for (const d of fresh.querySelectorAll("details")) d.open = open.includes(d.id);
    settle(fresh);
    if (id) (document.getElementById(id) || fresh).focus({ preventScroll: true });
  };
  const words = e => e?.innerText.replace(/\s+/g, " ").trim() || "";
  const settle = e => { htmx.process(e); cw.load(e); cw.tick?.(e); };

  // merge takes over a list entry by entry, and adds to the news what is new in it.
  const merge = (old, fresh, news) => {
    const here = new Map([...old.children].map(e => [e.id, e]));
    let last = null;
    for (const e of [...fresh.children]) {
      const mine = here.get(e.id);
      here.delete(e.id);
      if (!mine) {
        const text = e.outerHTML;
        if (last) last.after(e); else old.prepend(e);
        was.set(e, text);
        settle(e);
        news.push("New: " + words(e.querySelector("h2")));
      } else if (was.get(mine) !== e.outerHTML) swap(mine, e);
      last = mine && mine.isConnected ? mine : e;
    }
    for (const gone of here.values()) gone.remove();
  };

  // readers takes over who a reply goes to together with what counts as seen, and only in a composer that nobody has begun to use:
  // a reply under way stays as it is, and Send asks because of what came meanwhile.
  const readers = (fresh, news) => {
    const mine = cw.get("write"), theirs = fresh.querySelector("#write"), old = cw.get("c-read"), now = fresh.querySelector("#c-read");
    if (cw.get("text")?.value || mine?.elements.draft.value) return;
    if (!mine !== !theirs) swap(cw.get("composer"), fresh.querySelector("#composer")); // writing has become possible, or impossible
    if (!mine || !theirs || theirs.elements.draft.value || mine.elements.seen.value === theirs.elements.seen.value && was.get(old) === now.outerHTML) return;
    const before = words(old);
    swap(cw.get("c-ids"), fresh.querySelector("#c-ids"));
    swap(old, now);
    if (words(now) !== before) news.push("Who will read a reply has changed. " + words(now));
  };

  // refresh fetches the page that is shown and takes over what changed. One at a time; what comes meanwhile is done once more.
  cw.refresh = async () => {
    const at = cw.page();
    if (at.querySelector("[data-over]")) return; // it is over, and has no address to be read at any more
    if (busy) { due = true; return; }
    busy = true;
    try {
      const r = await cw.fetch(at.dataset.here, { headers: { "X-Chartwire-Quiet": "1" } });
      const doc = new DOMParser().parseFromString(await r.text(), "text/html"), fresh = doc.getElementById("page");
      if (at !== cw.page() || !fresh || r.status === 410) return; // 410: its draft was sent elsewhere; what is written here stays
      if (r.status >= 500) return cw.say("The page could not be brought up to date: " + fresh.querySelector("h1")?.textContent);
      if (!r.ok) { // not for this user any more: nothing of it stays
        document.querySelectorAll("dialog[open]").forEach(d => d.close());
        at.replaceWith(fresh);
        document.title = doc.title;
        htmx.process(fresh);
        cw.arrive();
        return;
      }
      const news = [];
      for (const part of [...fresh.querySelectorAll("[data-part]")]) {
        const mine = document.getElementById(part.id);
        if (mine && "log" in part.dataset) merge(mine, part, news);
        else if (mine && was.get(mine) !== part.outerHTML) swap(mine, part);
      }
      if (cw.get("entries") && fresh.querySelector("#composer")) readers(fresh, news);
      if (news.length) cw.say(news.join(". "));
      if ("covered" in fresh.dataset) cw.cover();
      if (fresh.dataset.live !== at.dataset.live) { at.dataset.live = fresh.dataset.live; follow(at); }
      remind(fresh);
    } catch { /* the stream's own retry fetches again */ } finally {
      busy = false;
      if (due) { due = false; cw.refresh(); }
    }
  };

  // A page that comes back before somebody's eyes is looked at anew: an event that was lost, or a stream that hangs, says nothing.
  const back = () => { if (!document.hidden && cw.page()?.dataset.live) cw.refresh(); };
  document.addEventListener("visibilitychange", back);
  addEventListener("focus", back);

  const events = { changed: () => cw.page().querySelector("[data-part]") && cw.refresh(), ended: () => cw.refresh(), covered: () => cw.cover() };

  // read follows one stream to its end.
  const read = async (from, abort) => {
    const r = await cw.fetch(from, { signal: abort.signal, headers: { Accept: "text/event-stream" } });
    if (!r.ok) { if (r.status === 401) cw.refresh(); throw new Error(r.status); }
    const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      pause = 1000;
      const blocks = (text + value).split("\n\n");
      text = blocks.pop();
      for (const b of blocks) {
        const name = /^event: (.*)$/m.exec(b), data = /^data: (.*)$/m.exec(b);
        if (name && events[name[1]]) events[name[1]](JSON.parse(data[1]));
      }
    }
  };

  // follow keeps a stream open for the page; a broken one is opened again, ever more slowly, and the page fetched anew.
  const follow = async at => {
    const from = at.dataset.live || "";
    if (from === url && stream && !stream.signal.aborted) return;
    stream?.abort();
    url = from;
    if (!from) { stream = null; return; }
    const mine = stream = new AbortController();
    for (let first = true; !mine.signal.aborted; first = false) {
      if (!first) cw.refresh();
      try { await read(from, mine); } catch { /* again */ }
      if (mine.signal.aborted || cw.page().querySelector("[data-over]")) return;
      await new Promise(done => setTimeout(done, pause));
      pause = Math.min(pause * 2, 30000);
    }
  };

  // remind tells two minutes before the session ends, and lets it go on where it can.
  const remind = at => {
    clearTimeout(warn);
    const { left, last } = at.dataset;
    if (!left) return;
    const end = () => setTimeout(cw.refresh, 121000);
    warn = setTimeout(() => {
      warn = end();
      if (last) cw.alarm("You will be signed out at " + last + ", whatever is done: a session lasts 12 hours. What you have written is kept; open Messages from the EHR again.");
      else cw.alarm("You will be signed out in two minutes because nothing was done. What you have written is kept.", "Stay signed in", cw.again);
    }, Math.max(0, Number(left) - 120) * 1000);
  };

  cw.arrivals.push(at => { note(at); follow(at); remind(at); });
  addEventListener("pageshow", e => { if (e.persisted) location.reload(); });
}
