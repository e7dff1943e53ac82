package fhir

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/client"
	"github.com/chartwire/chartwire/fhir/r4"
)

// File makes one attempt of a resolved write. The receipt shows what the EHR showed back, read again once where its
// answer held nothing. Errors: *connector.Refused, *Retry, *Ambiguous, *Conflicted, or ErrFenced where the lease was lost
// before a byte was written.
func (e *EHR) File(ctx context.Context, w connector.Write) (connector.Receipt, error) {
	if err := e.ready(); err != nil {
		return connector.Receipt{}, err
	}
	var made answer
	var err error
	switch {
	case w.Update != nil:
		made, err = e.put(ctx, w)
	case w.URL == "":
		made, err = e.transact(ctx, w)
	default:
		made, err = e.post(ctx, w)
	}
	if err != nil {
		e.learn(w, err)
		return connector.Receipt{}, e.opts.Quirks.writeError(err)
	}
	return e.receipt(ctx, w, made)
}

// answer is what a successful call said of the one entry that counts.
type answer struct {
	at       client.Location
	status   int
	found    bool // a conditional create met an entry that was there
	resource []byte
	body     []byte
}

func (e *EHR) post(ctx context.Context, w connector.Write) (answer, error) {
	// A RelatedPerson is looked for under its patient, whom the plan could not know yet.
	condition := strings.ReplaceAll(w.Header["If-None-Exist"], connector.SymPatient, w.Expect.Subject)
	resp, err := e.client.Create(ctx, w.Body, condition)
	if err != nil {
		return answer{}, err
	}
	a := fromResponse(resp)
	a.found = condition != "" && resp.Status == http.StatusOK
	return a, nil
}

func (e *EHR) put(ctx context.Context, w connector.Write) (answer, error) {
	resp, err := e.client.Update(ctx, w.URL, w.Body, w.Header["If-Match"])
	if err != nil {
		return answer{}, err
	}
	a := fromResponse(resp)
	if a.at.ID == "" {
		a.at.Type, a.at.ID, _ = strings.Cut(w.URL, "/")
		a.at.Version = client.Version(resp.Header.Get("ETag"))
	}
	return a, nil
}

func fromResponse(resp client.Response) answer {
	a := answer{status: resp.Status, body: resp.Body}
	a.at, _ = resp.Located()
	if r4.TypeOf(resp.Body) == a.at.Type {
		a.resource = resp.Body
	}
	return a
}

// transact posts a transaction and picks the entry that counts out of its answer, which has the order of the request.
func (e *EHR) transact(ctx context.Context, w connector.Write) (answer, error) {
	view, resp, err := e.client.Transaction(ctx, w.Body)
	if err != nil {
		return answer{}, err
	}
	i := primary(w)
	if i < 0 || i >= len(view.Entries) {
		return answer{}, errNoEntry
	}
	entry := view.Entries[i]
	a := answer{status: resp.Status, body: resp.Body, found: entry.Status == http.StatusOK}
	a.at, _ = client.ParseLocation(entry.Location)
	if a.at.Version == "" {
		a.at.Version = client.Version(entry.ETag)
	}
	if entry.ResourceType == w.Type {
		a.resource = entry.Resource
		if a.at.ID == "" {
			a.at = client.Location{Type: entry.ResourceType, ID: entry.ID, Version: a.at.Version}
		}
	}
	return a, nil
}

var errNoEntry = errors.New("the transaction's answer has no entry for the one that counts")

// bundleOf is what we look at of a transaction of ours.
type bundleOf struct {
	Entry []struct {
		Resource json.RawMessage `json:"resource"`
	} `json:"entry"`
}

// primary is the index of the entry that counts in a transaction of ours, -1 for none.
func primary(w connector.Write) int {
	var b bundleOf
	if json.Unmarshal(w.Body, &b) != nil {
		return -1
	}
	for i, e := range b.Entry {
		if r4.TypeOf(e.Resource) == w.Type {
			return i
		}
	}
	return -1
}

// sent is the resource that counts, as it was sent.
func sent(w connector.Write) []byte {
	if w.URL != "" {
		return w.Body
	}
	var b bundleOf
	if i := primary(w); i >= 0 && json.Unmarshal(w.Body, &b) == nil {
		return b.Entry[i].Resource
	}
	return nil
}

// receipt proves a write. An answer that names no place is no proof: the outcome is then open.
func (e *EHR) receipt(ctx context.Context, w connector.Write, a answer) (connector.Receipt, error) {
	if a.at.ID == "" || a.at.Type != w.Type {
		return connector.Receipt{}, &connector.Ambiguous{Status: a.status, Cause: errors.New("the answer does not say where the " + w.Type + " is"),
			Answer: connector.Protect(string(a.body))}
	}
	r := connector.Receipt{Reference: a.at.Reference(), Version: a.at.Version, Status: a.status, Found: a.found, Response: a.body}
	if a.resource == nil && w.Type != "Provenance" {
		read, err := e.client.Read(ctx, r.Reference, w.Type)
		if gone(err) {
			return connector.Receipt{}, &connector.Ambiguous{Status: a.status, Cause: errors.New("the entry the answer named is not there"),
				Answer: connector.Protect(string(a.body))}
		}
		if err == nil {
			a.resource = read.Body
		}
	}
	e.show(ctx, w, &r, a.resource)
	return r, nil
}

// learn remembers that the EHR does not do what it declares; the next Open chooses another way.
func (e *EHR) learn(w connector.Write, err error) {
	if !unknownInteraction(err) {
		return
	}
	interaction := "create"
	if w.Update != nil {
		interaction = "update"
	}
	if w.URL == "" {
		return // a transaction: which part was not known is not known
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.disproven[w.Type+" "+interaction] = true
}
