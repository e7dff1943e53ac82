package athena

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/chartwire/chartwire/adapters/ehr/fhir"
	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/client"
)

// File makes one attempt of a resolved write. The answer holds no more than a number, so the document is read again, once.
// Errors: *connector.Refused, *Retry, *Ambiguous, *Conflicted, or ErrFenced where the lease was lost before a byte was
// written.
func (e *EHR) File(ctx context.Context, w connector.Write) (connector.Receipt, error) {
	if err := e.ready(); err != nil {
		return connector.Receipt{}, err
	}
	t, err := e.config.target(w)
	if err != nil {
		return connector.Receipt{}, &connector.Refused{Reason: connector.GateRefused, Detail: connector.Protect(err.Error())}
	}
	resp, err := e.api.Call(ctx, client.Request{Method: http.MethodPost, Path: e.config.path(t, ""), Body: w.Body, ContentType: form, Header: acceptJSON()})
	if err != nil {
		return connector.Receipt{}, explained(fhir.WriteError(err))
	}
	id, err := created(t.kind, resp)
	if err != nil {
		return connector.Receipt{}, err
	}
	return e.receipt(ctx, w, t, id, resp)
}

// receipt proves a document by reading it. Where it cannot be read now the receipt is unverified; where it is not there, the
// outcome is open.
func (e *EHR) receipt(ctx context.Context, w connector.Write, t target, id string, made client.Response) (connector.Receipt, error) {
	r := connector.Receipt{Reference: w.Type + "/" + id, Status: made.Status, Response: made.Body}
	shown, err := e.read(ctx, t, id)
	switch {
	case errors.Is(err, connector.ErrAbsent):
		return connector.Receipt{}, &connector.Ambiguous{Status: made.Status, Cause: errors.New("the document the answer named is not there"),
			Answer: connector.Protect(string(made.Body))}
	case err == nil:
		e.show(w, &r, shown, true)
	}
	return r, nil
}

// created is the number of the document an answer says was made. An answer without one proves nothing; one that says in so
// many words that nothing was made is a no.
func created(k kind, resp client.Response) (string, error) {
	var j map[string]word
	_ = json.Unmarshal(resp.Body, &j)
	said := connector.Protect(string(resp.Body))
	id := string(j[k.id])
	switch {
	case j["success"] == "false" && id == "":
		return "", &connector.Refused{Reason: connector.EHRRefused, Status: resp.Status, Detail: connector.Protect(string(j["errormessage"])), Answer: said}
	case id == "" || strings.Trim(id, "0123456789") != "" || j["success"] == "false":
		return "", &connector.Ambiguous{Status: resp.Status, Cause: errNowhere, Answer: said}
	}
	return id, nil
}

// word is a value of the v1 API: what is a number, a text or a truth value in one answer may be another of them in the next.
type word string

// UnmarshalJSON implements json.Unmarshaler. What is none of them is "".
func (w *word) UnmarshalJSON(raw []byte) error {
	var s string
	switch {
	case len(raw) > 0 && strings.ContainsRune("{[n", rune(raw[0])):
	case json.Unmarshal(raw, &s) == nil:
	default:
		s = string(raw)
	}
	*w = word(s)
	return nil
}

// document is what the API shows of a document: its fields by name.
type document map[string]word

// read gets a document. ErrAbsent: it is not there. Other errors are *connector.Retry and *Refused.
func (e *EHR) read(ctx context.Context, t target, id string) (document, error) {
	resp, err := e.api.Call(ctx, client.Request{Method: http.MethodGet, Path: e.config.path(t, id), Header: asItIsNow()})
	if fhir.Gone(err) {
		return nil, connector.ErrAbsent
	}
	if err != nil {
		return nil, explained(fhir.ReadError(err))
	}
	var many []document
	if json.Unmarshal(resp.Body, &many) != nil { // one, in a list or by itself
		many = make([]document, 1)
		_ = json.Unmarshal(resp.Body, &many[0])
	}
	if len(many) != 1 || string(many[0][t.kind.id]) != id {
		return nil, &connector.Retry{Reason: connector.EHRUnavailable, Status: resp.Status, Cause: errors.New("the answer is not the document that was asked for")}
	}
	return many[0], nil
}

func acceptJSON() http.Header { return http.Header{"Accept": {"application/json"}} }

// asItIsNow asks caches on the way for what is there now.
func asItIsNow() http.Header {
	return http.Header{"Accept": {"application/json"}, "Cache-Control": {"no-cache"}}
}

// ReadEntry reads the document a person says is the write, and tells what it shows of it.
func (e *EHR) ReadEntry(ctx context.Context, w connector.Write, reference string) (connector.Receipt, error) {
	if err := e.ready(); err != nil {
		return connector.Receipt{}, err
	}
	t, err := e.config.target(w)
	id, ok := strings.CutPrefix(reference, w.Type+"/")
	if err != nil || !ok || id == "" || strings.Trim(id, "0123456789") != "" {
		return connector.Receipt{}, connector.ErrAbsent
	}
	shown, err := e.read(ctx, t, id)
	if err != nil {
		return connector.Receipt{}, err
	}
	return e.found(w, t, shown), nil
}

// found is the receipt of a document that was there.
func (e *EHR) found(w connector.Write, t target, d document) connector.Receipt {
	r := connector.Receipt{Reference: w.Type + "/" + string(d[t.kind.id]), Found: true}
	r.Response, _ = json.Marshal(d)
	e.show(w, &r, d, false)
	return r
}

// show fills a receipt with what the chart shows of a write. made says that the document is the one our request made: its
// text then need not say so. A document without its text shows nothing.
func (e *EHR) show(w connector.Write, r *connector.Receipt, d document, made bool) {
	k, _ := kindOf(func(k kind) bool { return k.typ == w.Type })
	text := []byte(d[k.text])
	if len(text) == 0 {
		return
	}
	r.Echo = connector.Echo{Shown: true, Subject: w.Expect.Subject}
	if number := string(d["patientid"]); number != "" {
		if ours, err := e.config.number(w.Expect.Subject); err != nil || number != ours {
			r.Echo.Subject = "another patient"
		}
	}
	if cited, ok := filing.CitedIdentifier(text, e.base, w.Identity); ok {
		r.Echo.Identities = []connector.Identifier{cited}
	} else if made {
		r.Echo.Identities = []connector.Identifier{w.Identity}
	}
	words, ok := filing.Words(text)
	switch {
	case !ok:
		r.Echo.Text = connector.Hash(text)
	case len(words) > 0:
		r.Echo.Text = connector.Hash(words)
	}
}

// names says whether a document's text says that it is the write.
func (e *EHR) names(w connector.Write, text string) bool {
	cited, ok := filing.CitedIdentifier([]byte(text), e.base, w.Identity)
	return ok && cited == w.Identity
}

// explained gives a no the API's own words, for a person.
func explained(err error) error {
	var refused *connector.Refused
	if !errors.As(err, &refused) || refused.Detail.Reveal() != "" {
		return err
	}
	var j map[string]word
	if json.Unmarshal([]byte(refused.Answer.Reveal()), &j) == nil {
		refused.Detail = connector.Protect(strings.TrimSpace(string(j["error"]) + " " + string(j["detailedmessage"])))
	}
	return err
}
