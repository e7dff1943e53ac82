"use strict";
// The session in the page. In a browser that keeps no cookie for us the handle lives in this closure alone: every request
// carries it in a header, pictures and files are fetched with it, and nothing of it is in an address or a storage.
{
  let handle = "";     // "": a cookie carries the session
  let lastPost = "";   // path of the form sent last, to know where the focus belongs afterwards
  let lastHere = "";
  const pictures = new Map(); // address → blob: address
  const get = id => document.getElementById(id);
  const page = () => get("page");

  cw.get = get;
  cw.page = page;
  cw.arrivals = []; // called with the page's element each time a page has come

  // fetch is window.fetch with the session.
  cw.fetch = (url, options = {}) => {
    const headers = new Headers(options.headers);
    if (handle) headers.set("X-Chartwire-Session", handle);
    return fetch(url, { ...options, headers, credentials: "same-origin", cache: "no-store" });
  };

  // say tells a screen reader, politely; the page shows the same some other way.
  cw.say = text => { get("say").textContent = ""; setTimeout(() => { get("say").textContent = text; }, 50); };

  // alarm shows a sentence until it is over, with one thing that can be done about it.
  cw.alarm = (text, label, act) => {
    get("alarm-text").textContent = text;
    const button = get("alarm-act");
    button.hidden = !label;
    button.textContent = label || "";
    button.onclick = act || null;
    get("alarm").hidden = !text;
  };

  // go shows another page in this one's place.
  cw.go = path => htmx.ajax("GET", path, { source: document.body, target: "#page", select: "#page", swap: "outerHTML show:none" });

  const whole = "The page could not be fetched. Nothing was lost; check the network.";
  const unsure = "The network failed, and it is not known whether this was done. Look before you do it again.";
  const again = cw.again = async () => { cw.alarm(""); await cw.keep(); cw.go(page().dataset.here); }; // a draft that is kept may name the page anew

  document.addEventListener("htmx:configRequest", e => {
    const d = e.detail;
    if (handle) d.headers["X-Chartwire-Session"] = handle;
    lastPost = d.verb === "post" ? d.path : "";
  });
  document.addEventListener("htmx:beforeSwap", e => {
    if (e.detail.target !== page()) return;
    // The form that posted may be gone from the page by now, and htmx would find nothing to tell it what of the answer goes where.
    e.detail.selectOverride = "#page";
    e.detail.swapOverride = "outerHTML show:none";
    if (!e.detail.serverResponse.includes('id="page"')) {
      e.detail.shouldSwap = false;
      cw.alarm(whole, "Try again", again);
    }
  });
  for (const failure of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(failure, () => { cw.wanted = ""; cw.alarm(lastPost ? unsure : whole, lastPost ? "Show the page anew" : "Try again", again); });
  document.addEventListener("htmx:historyCacheMissLoadError", () => location.reload());
  document.addEventListener("htmx:historyRestore", () => arrive());
  document.addEventListener("htmx:afterSettle", e => { if (e.detail.elt === page() || e.target === page()) arrive(); });

  // A slow page says so: after 0.4 s by the bar, after 5 s in words.
  let slow = 0;
  document.addEventListener("htmx:beforeRequest", () => {
    clearTimeout(slow);
    slow = setTimeout(() => { get("busy").classList.add("late"); cw.say("The EHR answers slowly. Nothing is lost; please wait."); }, 5000);
  });
  document.addEventListener("htmx:afterRequest", () => { clearTimeout(slow); get("busy").classList.remove("late"); });

  // arrive makes a page that has come usable: focus, pictures, and what the other scripts do. A page that is to be covered is so first
  // of all, and what fails holds up nothing else.
  const done = { claim: "You have it now.", release: "Given back.", assign: "Assigned.", hand: "Handed over.", resolve: "Resolved.", note: "The note is kept." };
  const arrive = cw.arrive = () => {
    const at = page();
    if ("covered" in at.dataset) cw.cover?.();
    cw.alarm("");
    const moved = lastHere !== at.dataset.here;
    lastHere = at.dataset.here;
    const over = at.querySelector("[data-over]");
    if (over) { handle = ""; for (const url of pictures.values()) URL.revokeObjectURL(url); pictures.clear(); }
    cw.load(at);
    const did = done[lastPost.split("/").pop()];
    if (did && !at.querySelector("[data-status], #note-problem")) cw.say(did);
    if (cw.wanted && !at.querySelector(cw.wanted)) cw.wanted = ""; // a page without that place opens as it does by itself
    for (const act of cw.arrivals) try { act(at, moved); } catch (e) { reportError(e); }
    focus(at, moved);
  };
  // writing says whether somebody writes already, who is to go on: a letter outside of a field is a key that acts.
  cw.writing = at => at.contains(document.activeElement) && document.activeElement.matches("input, textarea, select");
  const focus = (at, moved) => {
    const wanted = at.querySelector("#clash, #problem, #note-problem") || /\/reply$/.test(lastPost) && at.querySelector(".undo button") ||
      /\/(undo|draft)$/.test(lastPost) && at.querySelector("#text") || cw.wanted && at.querySelector(cw.wanted);
    cw.wanted = lastPost = "";
    if (wanted) return wanted.focus();
    if (cw.writing(at)) return;
    if (moved) scrollTo(0, 0);
    const kept = document.activeElement;
    if (!kept || kept === document.body || moved) at.querySelector("h1")?.focus({ preventScroll: true });
  };

  // load fetches what the browser cannot fetch by itself without a cookie.
  cw.load = async root => {
    const sheet = root.dataset?.sheet;
    if (sheet) cw.fetch(sheet).then(r => r.text()).then(text => {
      const s = new CSSStyleSheet();
      s.replaceSync(text);
      document.adoptedStyleSheets = [s];
    }).catch(() => {}); // our own colours stay
    for (const img of root.querySelectorAll("img[data-src]")) picture(img.dataset.src).then(url => { img.src = url; }).catch(() => { img.alt += " (could not be fetched)"; });
  };
  const picture = async url => {
    if (!pictures.has(url)) pictures.set(url, await blob(url));
    return pictures.get(url);
  };
  const blob = async url => {
    const r = await cw.fetch(url);
    if (!r.ok) throw new Error(r.status);
    return URL.createObjectURL(await r.blob());
  };
  // picture gives an address that an img can show.
  cw.picture = url => handle ? picture(url) : Promise.resolve(url);

  document.addEventListener("click", async e => {
    const link = e.target.closest?.("a[data-file]");
    if (!link || !handle) return;
    e.preventDefault();
    try {
      const a = document.createElement("a");
      a.href = await blob(link.href);
      a.download = link.firstChild.textContent.trim();
      a.click();
      setTimeout(() => URL.revokeObjectURL(a.href), 60000);
    } catch { cw.alarm("The file could not be fetched. Try again, or open the thread anew."); }
  });

  // A page that has just come is taken over by htmx a moment later. A link or form that is used before then would leave for an
  // address that nothing but a header opens.
  const early = e => handle && !e.defaultPrevented && !e.ctrlKey && !e.metaKey && !e.shiftKey && !e.button;
  document.addEventListener("click", e => {
    const link = e.target.closest?.("a[href^='/app/']:not([data-file])");
    if (!link || !early(e)) return;
    e.preventDefault();
    if (link.matches("[hx-boost='false']")) get(link.hash.slice(1))?.scrollIntoView(); // a place of this page
    else cw.go(link.getAttribute("href"));
  });
  document.addEventListener("submit", e => {
    const form = e.target, by = e.submitter;
    if (form.method === "dialog" || !early(e)) return;
    e.preventDefault();
    htmx.ajax(form.method.toUpperCase(), by?.getAttribute("formaction") || form.getAttribute("action"),
      { source: form, values: by?.name ? { [by.name]: by.value } : {}, target: "#page", select: "#page", swap: "outerHTML show:none" });
  });

  // finish ends a launch on the callback page.
  const finish = async () => {
    const q = cw.answer, m = cw.memory(), path = location.pathname;
    const body = { state: q.get("state"), code: q.get("code") || "", error: q.get("error") || "", secret: m.secret || "", previous: m.previous || "", proof: m.proof || "" };
    try {
      const r = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json", Accept: "application/json" }, body: JSON.stringify(body), credentials: "same-origin" });
      const answer = await r.json();
      if (!r.ok) return told(answer.title, answer.text);
      cw.remember({ secret: m.secret, launch: answer.launch });
      const home = "/app/l/" + encodeURIComponent(answer.launch);
      if (!answer.handle) return location.replace(home);
      handle = answer.handle;
      htmx.config.historyEnabled = false; // an address could not be opened again without the handle
      cw.go(home);
    } catch { told("Messages could not be opened", "The sign-in could not be finished. Check the network and open Messages from the EHR again."); }
  };
  const told = (title, text) => { page().querySelector("h1").textContent = title; get("finish-text").textContent = text; page().querySelector("h1").focus(); };

  document.addEventListener("DOMContentLoaded", () => { if (get("finish")) finish(); else arrive(); });
}
