package sim

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// nameOf names a request by what it is for, so that faults do not depend on which process makes it.
func (j *judge) nameOf(req *http.Request, body []byte) string {
	path := strings.TrimPrefix(req.URL.Path, "/fhir")
	if isWrite(req) {
		j.mu.Lock()
		defer j.mu.Unlock()
		for _, w := range j.byBytes[bytesKey(req.Method, strings.TrimPrefix(path, "/"), body)] {
			return req.Method + " " + w.row.Key
		}
	}
	return req.Method + " " + path + "?" + req.URL.RawQuery + " " + string(body)
}

// leaves judges a request in the moment its first byte leaves.
func (j *judge) leaves(p *process, req *http.Request, body []byte, write bool, name string, f fault, begun time.Time) *sending {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := clock.System.Now()
	s := &sending{left: now, write: write, typ: strings.TrimSuffix(strings.TrimPrefix(req.URL.Path, "/fhir/"), "/_search")}
	j.noteLocked("process %d sends %s [%s]", p.n, clip(name), f.what)
	j.stats["request"]++
	p.mu.Lock()
	asked, woke := p.asked, p.woke
	if !p.heard.Before(begun) {
		asked = time.Time{} // it was on its way when we were asked to wait
	}
	p.mu.Unlock()
	if now.Before(asked) {
		j.stats["request before Retry-After"]++
		if write {
			j.failLocked("a write left %s before the EHR wanted to hear of us again: %s", asked.Sub(now), clip(name))
		}
	}
	if !write {
		return s
	}
	if left := now.Add(-j.w.script.deadline); !j.paused.IsZero() && left.After(j.paused) && left.After(woke) {
		j.failLocked("a write left %s after the connection was paused: %s", now.Sub(j.paused), clip(name))
	}
	j.attempted(s, req, body, now)
	return s
}

// attempted holds a write to its committed attempt: its bytes, its number, its lane's claim, and what is known of the try
// before.
func (j *judge) attempted(s *sending, req *http.Request, body []byte, now time.Time) {
	url := strings.TrimPrefix(strings.TrimPrefix(req.URL.Path, "/fhir"), "/")
	for _, w := range j.byBytes[bytesKey(req.Method, url, body)] {
		if w.row.State == connector.WriteAttempted && w.sends < w.row.Attempts && bytesKey(w.row.Write.Method, w.row.Write.URL, w.row.Write.Body) == bytesKey(req.Method, url, body) {
			if s.w == nil || w.at.After(s.w.at) || w.at.Equal(s.w.at) && w.fence > s.w.fence {
				s.w = w // two may have the same bytes, such as two items that bring a status up to date; the elder never left
			}
		}
	}
	if s.w == nil {
		j.failLocked("a request left and no committed attempt has its bytes: %s %s", req.Method, url)
		return
	}
	w := s.w
	w.sends = w.row.Attempts
	if i, ok := j.items[w.row.Item]; ok {
		if newest := j.fences[i.Thread+"|"+string(i.Lane)]; newest != w.fence {
			j.failLocked("a request left under fence %d when the lane had been claimed with fence %d", w.fence, newest)
		}
	}
	settle := j.w.script.lease + j.w.script.deadline + j.w.script.lag
	if w.open && w.row.Write.Update == nil {
		if early := w.openAt.Add(settle).Sub(now); early > 0 {
			j.failLocked("%s was written again %s before its last attempt had settled", w.row.Key, early)
		} else if at := j.searched[w.row.Write.Type]; at.Before(w.openAt.Add(settle)) {
			j.failLocked("%s was written again and nobody had looked for it since its last attempt settled", w.row.Key)
		}
	}
	w.open, w.openAt = true, w.at
	j.addressed(w, now)
}

// addressed holds a request to the patient it may be about.
func (j *judge) addressed(w *written, now time.Time) {
	if w.row.Write.Type == "Patient" || w.row.Write.Update != nil {
		return
	}
	ext := j.w.threadExt(w.row.Thread)
	if since, ok := j.turned[ext]; ok && now.Sub(since) > patience+j.w.script.deadline {
		j.failLocked("%s was written %s after its thread had named a second patient", w.row.Key, now.Sub(since))
	}
	for n, since := range j.gone {
		if w.row.Write.Expect.Subject == "Patient/"+patientID(n) && now.Sub(since) > 5*time.Minute+patience {
			j.failLocked("%s was written to a record that had been merged away for %s", w.row.Key, now.Sub(since))
		}
	}
}

// distrusts notes what an answer showed that a person has to see.
func (j *judge) distrusts(s *sending, f fault, resp *http.Response) {
	reasons := map[string]connector.Reason{"commit-altered": connector.ContentAltered, "commit-wrong-subject": connector.WrongSubject}
	if r := reasons[f.what]; r != "" && f.changed && resp.StatusCode < 300 && s.w != nil && s.w.row.Write.Update == nil && s.w.row.Write.Type != "Provenance" {
		j.mustPark[s.w.row.Item] = doubt{r, s.w.fence}
	}
}

// answered takes what a request came to, as the process heard it.
func (j *judge) answered(p *process, s *sending, req *http.Request, f *fault, resp *http.Response, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s == nil {
		j.noteLocked("process %d did not send: %v", p.n, err)
		return
	}
	if err != nil {
		j.noteLocked("process %d hears %v", p.n, err)
		return
	}
	now := clock.System.Now()
	j.noteLocked("process %d hears %d of %s", p.n, resp.StatusCode, s.typ)
	if after := resp.Header.Get("Retry-After"); after != "" && (resp.StatusCode == 429 || resp.StatusCode == 503) {
		until := now
		if n, err := strconv.Atoi(after); err == nil {
			until = now.Add(time.Duration(n) * time.Second)
		} else if at, err := http.ParseTime(after); err == nil {
			until = at
		}
		p.mu.Lock()
		if until.After(p.asked) {
			p.asked, p.heard = until, now
		}
		p.mu.Unlock()
	}
	if !s.write {
		if resp.StatusCode == http.StatusOK && (strings.HasSuffix(req.URL.Path, "/_search") || req.URL.RawQuery != "") && s.left.After(j.searched[s.typ]) {
			j.searched[s.typ] = s.left
		}
		return
	}
	if s.w == nil {
		return
	}
	j.distrusts(s, *f, resp)
	switch c := resp.StatusCode; {
	case c == http.StatusUnauthorized: // the same attempt may ask once more with a new token
		s.w.sends--
		s.w.open = false
	case c == http.StatusTooManyRequests, c == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "",
		c >= 400 && c < 500 && c != http.StatusConflict && c != http.StatusPreconditionFailed:
		s.w.open = false
	}
}

func clip(s string) string {
	if len(s) > 160 {
		return s[:160] + "…"
	}
	return s
}
