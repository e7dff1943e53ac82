"use strict";
// What the window itself remembers, in its name: the secret of the launch under way or done, and the launch before it. It is
// the one place that survives the way to the EHR's sign-in and back in a frame that keeps no cookies.
const cw = {
  memory() { try { return JSON.parse(window.name).chartwire || {}; } catch { return {}; } },
  remember(what) { window.name = JSON.stringify({ chartwire: what }); },
  // What the EHR's sign-in gave the callback page. It leaves the address before any other script sees that, and is used once.
  answer: new URLSearchParams(location.pathname.startsWith("/callback/") ? location.search : ""),
};
if (cw.answer.has("state")) history.replaceState(null, "", location.pathname);
{
  const go = document.getElementById("go");
  if (go && go.dataset.secret) { // the launch page: keep the secret, go on to the EHR
    const old = cw.memory();
    cw.remember({ secret: go.dataset.secret, previous: old.launch || old.previous, proof: old.launch ? old.secret : old.proof });
    // Chromium may never lay out what follows in a frame of another site that leaves its first page before it was shown: the
    // frame stays blank, whatever anybody does. So this page goes on once it is in sight, or after three seconds where it is not.
    let gone = false;
    const on = () => {
      if (gone) return;
      gone = true;
      if (go.tagName === "FORM") go.submit(); else location.replace(go.href);
    };
    new IntersectionObserver(seen => { if (seen.some(s => s.isIntersecting)) on(); }).observe(document.documentElement);
    setTimeout(on, 3000);
  }
}
