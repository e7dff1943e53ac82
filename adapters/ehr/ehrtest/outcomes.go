package ehrtest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// Outcomes of a write, in the words of DESIGN §3.3.
const (
	isRetry        = "retry"
	isAmbiguous    = "ambiguous"
	isRefused      = "refused"
	isConflict     = "conflict"
	isUnauthorized = "unauthorized"
)

// want is the one table of DESIGN §3.3 for an answer with this status and no FHIR body.
func want(status int, retryAfter bool) string {
	switch {
	case status == 401:
		return isUnauthorized
	case status == 409 || status == 412:
		return isConflict
	case status == 429 || status == 503 && retryAfter:
		return isRetry
	case status >= 400 && status <= 499:
		return isRefused
	default:
		return isAmbiguous
	}
}

// reasons are those a person must be told for some of them.
var reasons = map[int]connector.Reason{
	400: connector.EHRRefused, 401: connector.Unauthorized, 403: connector.ScopeMissing, 404: connector.EHRRefused,
	410: connector.EHRRefused, 413: connector.TooLarge, 415: connector.EHRRefused, 422: connector.EHRRefused, 429: connector.RateLimited,
}

// outcomes holds every HTTP status to the table, and every error to its silence.
func outcomes(t *testing.T, h Harness) {
	r := h.Start(t)
	r.open(t)
	r.file(t, r.header(h.Strategy))
	w := r.only(t, r.exchange(h.Strategy, connector.ItemExchange, "m-1", "private words"))
	if r.Reply != nil {
		acknowledgements(t, r, w)
		return
	}
	before := len(r.Stored(w.Type))
	body := `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing","diagnostics":"private words"}]}`
	for status := 200; status <= 599; status++ {
		said := body
		if status == 204 || status == 304 { // HTTP allows these no body
			said = ""
		}
		hold(t, r, w, status, nil, said)
	}
	hold(t, r, w, 503, map[string]string{"Retry-After": "7"}, body)
	hold(t, r, w, 429, map[string]string{"Retry-After": "7"}, body)
	for _, page := range []string{"", "<html>sign in</html>", "{", "[]", `"x"`, `{"resourceType":"Patient","id":"1"}`} {
		hold(t, r, w, 200, nil, page)
		hold(t, r, w, 201, nil, page)
	}
	for _, elsewhere := range []string{"http://169.254.169.254/latest/meta-data/", "/", ""} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			hold(t, r, w, status, map[string]string{"Location": elsewhere}, "")
		}
	}
	// An answer that names two places, and one packed though nobody asked: neither says that it was done.
	shown := `{"resourceType":"` + w.Type + `","id":"one"}`
	hold(t, r, w, 201, map[string]string{"Location": w.Type + "/another/_history/1"}, shown)
	hold(t, r, w, 201, map[string]string{"Location": w.Type + "/one/_history/1", "Content-Encoding": "gzip"}, shown)
	for _, wait := range []string{"-1", "soon", "99999999999999999999", "Sun, 06 Nov 1994 08:49:37 GMT"} {
		hold(t, r, w, 429, map[string]string{"Retry-After": wait}, body)
	}
	if n := len(r.Stored(w.Type)); n != before {
		t.Errorf("%d entries were stored by requests the EHR did not carry out", n-before)
	}
}

func hold(t *testing.T, r *Rig, w connector.Write, status int, header map[string]string, body string) {
	t.Helper()
	r.Answer(status, header, body)
	defer r.Answer(0, nil, "")
	ctx, cancel := within(t)
	defer cancel()
	_, err := r.EHR.File(ctx, w)
	if err == nil {
		t.Errorf("status %d with %.20q counts as filed", status, body)
		return
	}
	if got := class(err); got != want(status, header["Retry-After"] != "") {
		t.Errorf("status %d is %s, want %s", status, got, want(status, header["Retry-After"] != ""))
	}
	var refused *connector.Refused
	var retry *connector.Retry
	switch why, ok := reasons[status]; {
	case !ok:
	case errors.As(err, &refused) && refused.Reason != why:
		t.Errorf("status %d: reason %s, want %s", status, refused.Reason, why)
	case errors.As(err, &retry) && retry.Reason != why:
		t.Errorf("status %d: reason %s, want %s", status, retry.Reason, why)
	}
	if errors.As(err, &retry) && header["Retry-After"] == "7" && retry.After != 7*time.Second {
		t.Errorf("status %d: the EHR asked for 7 s, got %s", status, retry.After)
	}
	if said := string(connector.AnswerOf(err)); said != body && header["Content-Encoding"] == "" {
		t.Errorf("status %d: trace would show %.40q of what was answered, want %.40q", status, said, body)
	}
	r.quiet(t, err, "private words")
}

func class(err error) string {
	var (
		retry     *connector.Retry
		ambiguous *connector.Ambiguous
		refused   *connector.Refused
		conflict  *connector.Conflicted
	)
	switch {
	case errors.As(err, &retry):
		return isRetry
	case errors.As(err, &ambiguous):
		return isAmbiguous
	case errors.As(err, &conflict):
		return isConflict
	case errors.As(err, &refused) && refused.Reason == connector.Unauthorized:
		return isUnauthorized
	case errors.As(err, &refused):
		return isRefused
	default:
		return fmt.Sprintf("unclassified %T", err)
	}
}
