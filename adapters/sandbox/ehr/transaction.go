package ehr

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// txEntry is one entry of a transaction while it is worked on.
type txEntry struct {
	path    string // Bundle.entry[i]
	fullURL string
	write   *write
	done    written
}

// transaction runs a transaction Bundle: all of it or nothing (R4 §3.1.0.11.2). POST and PUT entries are supported.
func (s *Server) transaction(c caller, r *http.Request, body []byte) *Response {
	if !s.traits.Transaction {
		return fail(405, "not-supported", "transactions are not supported").response()
	}
	entries, f := readTransaction(body)
	if f != nil {
		return f.response()
	}
	for _, e := range entries {
		e.write.under(playOf(r))
	}
	if f := s.prepareAll(c, entries); f != nil {
		return f.response()
	}
	if f := s.runTransaction(c, entries); f != nil {
		return f.response()
	}
	if playOf(r).half {
		return jsonResponse(http.StatusOK, resource{"resourceType": "Bundle", "type": "transaction-response"})
	}
	return s.transactionResponse(r, entries)
}

func readTransaction(body []byte) ([]*txEntry, *failure) {
	bundle, err := parse(body)
	if err != nil {
		return nil, fail(400, "structure", "%s", err.Error())
	}
	if str(bundle, "resourceType") != "Bundle" || str(bundle, "type") != "transaction" {
		return nil, fail(400, "not-supported", "only a Bundle of type transaction can be posted to the base")
	}
	var received struct {
		Entry []struct {
			Resource json.RawMessage `json:"resource"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(body, &received); err != nil {
		return nil, fail(400, "structure", "Bundle.entry is not a list of entries")
	}
	list, _ := bundle["entry"].([]any)
	if len(list) == 0 {
		return nil, fail(400, "required", "the transaction is empty").at("Bundle.entry")
	}
	urls := map[string]bool{}
	var out []*txEntry
	for i, item := range list {
		e, f := readEntry(item, fmt.Sprintf("Bundle.entry[%d]", i))
		if f != nil {
			return nil, f
		}
		if e.fullURL != "" && urls[e.fullURL] {
			return nil, fail(400, "invalid", "bdl-7: fullUrl must be unique in a Bundle").at(e.path + ".fullUrl")
		}
		urls[e.fullURL] = true
		e.write.received = received.Entry[i].Resource
		out = append(out, e)
	}
	return out, nil
}

func readEntry(item any, path string) (*txEntry, *failure) {
	entry, _ := item.(resource)
	request, ok := entry["request"].(resource)
	if !ok {
		return nil, fail(400, "required", "bdl-3: every entry of a transaction has a request").at(path + ".request")
	}
	body, ok := entry["resource"].(resource)
	if !ok {
		return nil, fail(400, "required", "the entry has no resource").at(path + ".resource")
	}
	e := &txEntry{path: path, fullURL: str(entry, "fullUrl")}
	target := str(request, "url")
	w := &write{method: str(request, "method"), resource: body, ifNoneExist: str(request, "ifNoneExist"), ifMatch: str(request, "ifMatch")}
	switch w.method {
	case http.MethodPost:
		w.typ = target
		if e.fullURL != "" && !strings.HasPrefix(e.fullURL, "urn:uuid:") {
			return nil, fail(400, "invalid", "the fullUrl of a create is a urn:uuid").at(path + ".fullUrl")
		}
	case http.MethodPut:
		w.typ, w.id = splitType(target)
		if !validID(w.id) {
			return nil, fail(400, "not-supported", "a PUT entry's url is Type/id").at(path + ".request.url")
		}
	default:
		return nil, fail(400, "not-supported", "only POST and PUT entries are supported").at(path + ".request.method")
	}
	e.write = w
	return e, nil
}

// prepareAll checks each entry by itself, references inside the Bundle standing in as references of the right type.
func (s *Server) prepareAll(c caller, entries []*txEntry) *failure {
	stand := map[string]string{}
	for _, e := range entries {
		if e.write.method == http.MethodPost && e.fullURL != "" {
			stand[e.fullURL] = e.write.typ + "/pending"
		}
	}
	for _, e := range entries {
		whole := e.write.resource
		draft, _ := copyValue(whole).(resource)
		rewriteReferences(draft, stand)
		for _, conditional := range conditionalReferences(draft) {
			typ, _, _ := strings.Cut(conditional, "?")
			rewriteReferences(draft, map[string]string{conditional: typ + "/pending"})
		}
		e.write.resource = draft
		f := s.prepare(c, e.write)
		e.write.resource = whole
		if f != nil {
			return e.blame(f)
		}
		if f := s.checkForm(e.write); f != nil { // drops id and meta from the resource that will be stored
			return e.blame(f)
		}
	}
	return nil
}

func (e *txEntry) blame(f *failure) *failure {
	if f.expression == "" {
		f.expression = e.path
	} else {
		f.expression = e.path + ".resource." + f.expression
	}
	return f
}

// runTransaction decides every condition before it writes anything, then resolves references and commits all entries.
func (s *Server) runTransaction(c caller, entries []*txEntry) *failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	resolved := map[string]string{}
	coming := map[string]bool{}
	claimed := map[string]bool{}
	for _, e := range entries {
		existing, f := s.decide(e.write)
		if f != nil {
			return e.blame(f)
		}
		key := e.write.typ + "?" + e.write.ifNoneExist
		if e.write.method == http.MethodPut {
			key = e.write.typ + "/" + e.write.id
		}
		if (e.write.ifNoneExist != "" || e.write.method == http.MethodPut) && claimed[key] {
			return e.blame(fail(400, "duplicate", "two entries of the transaction mean the same resource"))
		}
		claimed[key] = true
		switch {
		case existing != nil:
			e.done = written{v: existing, hit: true}
			resolved[e.fullURL] = existing.key()
		case e.write.method == http.MethodPost:
			e.write.id = s.newID(e.write.typ)
			coming[e.write.typ+"/"+e.write.id] = true
			resolved[e.fullURL] = e.write.typ + "/" + e.write.id
		}
	}
	delete(resolved, "")
	for _, e := range entries {
		if f := s.settleEntry(e, resolved, coming); f != nil {
			return e.blame(f)
		}
	}
	s.txs++
	if entries[0].write.play.half {
		entries = entries[:(len(entries)+1)/2]
	}
	for _, method := range []string{http.MethodPost, http.MethodPut} { // R4's processing order
		for _, e := range entries {
			if e.write.method == method && !e.done.hit {
				e.done = written{v: s.commit(c.grant.ClientID, e.write, s.txs), created: method == http.MethodPost}
			}
		}
	}
	return nil
}

func (s *Server) settleEntry(e *txEntry, resolved map[string]string, coming map[string]bool) *failure {
	if e.done.hit {
		return nil
	}
	rewriteReferences(e.write.resource, resolved)
	for _, conditional := range conditionalReferences(e.write.resource) {
		key, f := s.resolveConditional(conditional)
		if f != nil {
			return f
		}
		rewriteReferences(e.write.resource, map[string]string{conditional: key})
	}
	return s.admit(e.write, func(key string) bool { return coming[key] || s.exists(key) })
}

func (s *Server) transactionResponse(r *http.Request, entries []*txEntry) *Response {
	full := r.Header.Get("Prefer") != "" && s.preference(r) == "representation"
	list := make([]any, 0, len(entries))
	for _, e := range entries {
		v := e.done.v
		status := "200 OK"
		if e.done.created {
			status = "201 Created"
		}
		item := resource{"response": resource{
			"status": status, "location": v.key() + "/_history/" + strconv.Itoa(v.num), "etag": v.etag(),
			"lastModified": instant(v.at),
		}}
		if full {
			item["resource"] = json.RawMessage(v.raw)
		}
		list = append(list, item)
	}
	return jsonResponse(http.StatusOK, resource{"resourceType": "Bundle", "type": "transaction-response", "entry": list})
}

func jsonResponse(status int, v any) *Response {
	h := http.Header{}
	h.Set("Content-Type", mediaType)
	return &Response{Status: status, Header: h, Body: encode(v)}
}
