package ehr

import (
	"encoding/base64"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// endOfTime asks a search for the newest version of everything, lag or not.
var endOfTime = time.Unix(math.MaxInt32*100, 0)

// write is one create or update on its way to the store.
type write struct {
	typ, id     string // id is "" for a create until it is given one
	method      string
	resource    resource
	received    []byte // the bytes the ledger hashes
	ifNoneExist string
	ifMatch     string
	allowed     func(*version) bool // the scope's narrowing; nil for none
	play        *play               // what a fault changes; nil for nothing
}

// prepare checks everything about a write that needs no look at the chart: traits, scope, form and the gate.
func (s *Server) prepare(c caller, w *write) *failure {
	if !knownType(w.typ) {
		return fail(404, "not-supported", "resource type %q is not known here", w.typ)
	}
	action, able := 'c', s.traits.creatable(w.typ)
	if w.method == http.MethodPut {
		action, able = 'u', s.traits.updatable(w.typ)
	}
	if !able {
		f := fail(405, "not-supported", "%s of %s is not supported", interactions[action], w.typ)
		f.allow = s.traits.allow(w.typ, w.method == http.MethodPut)
		return f
	}
	var f *failure
	if w.allowed, f = s.may(c, w.typ, action); f != nil {
		return f
	}
	if f := s.checkForm(w); f != nil {
		return f
	}
	return s.gate(w.typ, w.resource)
}

// checkForm checks a body against its URL and drops what only the server sets.
func (s *Server) checkForm(w *write) *failure {
	if got := str(w.resource, "resourceType"); got != w.typ {
		return fail(400, "invalid", "resourceType is not %s", w.typ).at("resourceType")
	}
	if f := lexical(w.resource, w.typ); f != nil {
		return f
	}
	switch id, given := w.resource["id"]; {
	case w.method == http.MethodPut && id != w.id:
		return fail(400, "invalid", "the id in the body is not the id in the URL").at(w.typ + ".id")
	case w.method == http.MethodPost && given:
		delete(w.resource, "id") // R4 §3.1.0.8: ignored on create
	}
	if meta, ok := w.resource["meta"].(resource); ok {
		delete(meta, "versionId")
		delete(meta, "lastUpdated")
		if len(meta) == 0 {
			delete(w.resource, "meta")
		}
	}
	if f := s.checkAttachments(w.resource); f != nil {
		return f
	}
	if w.typ == "DocumentReference" && s.traits.RequireEncounter &&
		len(elements(w.resource, []string{"context", "encounter", "reference"})) == 0 {
		return fail(400, "required", "a valid encounter is required").at("DocumentReference.context.encounter")
	}
	if f := s.traits.refused(w); f != nil {
		return f
	}
	if w.typ == "Subscription" {
		return s.checkSubscription(w.resource)
	}
	return nil
}

// checkAttachments holds inline data to the server's limit and to base64.
func (s *Server) checkAttachments(r resource) *failure {
	var f *failure
	_ = walk(r, str(r, "resourceType"), func(obj resource, path string) error {
		data, ok := obj["data"].(string)
		if !ok || f != nil {
			return nil
		}
		raw, err := base64.StdEncoding.DecodeString(data)
		switch {
		case err != nil:
			f = fail(422, "value", "data is not base64").at(path + ".data")
		case s.traits.InlineBytes > 0 && len(raw) > s.traits.InlineBytes:
			f = fail(413, "too-long", "inline data is %d bytes, at most %d are taken", len(raw), s.traits.InlineBytes).at(path + ".data")
		}
		return nil
	})
	return f
}

// gate runs the R4 validator over the resource as it will be stored.
func (s *Server) gate(typ string, r resource) *failure {
	if err := s.opts.Validate(encode(r)); err != nil {
		return fail(422, "invalid", "%s refused: %s", typ, err.Error())
	}
	return nil
}

// outcome of a write: the version the caller is told of, and whether this request made it.
type written struct {
	v       *version
	created bool
	hit     bool // conditional create found it there
}

// decide settles conditions against the chart: an existing match, a version conflict, or go on. The caller holds mu.
func (s *Server) decide(w *write) (*version, *failure) {
	if w.method == http.MethodPut {
		return nil, s.decideUpdate(w)
	}
	if w.ifNoneExist == "" || !s.traits.HonourIfNoneExist {
		return nil, nil
	}
	q, f := s.conditionQuery(w.typ, w.ifNoneExist)
	if f != nil {
		return nil, f
	}
	at := endOfTime
	if s.traits.LagIfNoneExist {
		at = s.horizon(0)
	}
	switch hits := s.search(q, at); len(hits) {
	case 0:
		return nil, nil
	case 1:
		return hits[0], nil
	default:
		return nil, fail(412, "multiple-matches", "If-None-Exist matches %d %s", len(hits), w.typ)
	}
}

func (s *Server) decideUpdate(w *write) *failure {
	cur := s.get(w.typ, w.id)
	if cur == nil {
		return fail(405, "not-supported", "this %s does not exist, and a client cannot choose an id", w.typ)
	}
	if w.ifMatch == "" {
		if s.traits.RequireIfMatch {
			return fail(428, "required", "an update needs If-Match")
		}
		return nil
	}
	if w.ifMatch != cur.etag() {
		return fail(412, "conflict", "If-Match is not the current version")
	}
	return nil
}

// admit checks a decided write's references and scope. exists answers for what the same transaction creates too.
func (s *Server) admit(w *write, exists func(string) bool) *failure {
	if f := checkReferences(w.resource, s.opts.Base, exists); f != nil {
		return f
	}
	if f := s.admitted(w); f != nil {
		return f
	}
	if w.allowed != nil {
		draft := &version{typ: w.typ, id: w.id, values: valuesOf(w.typ, w.resource, s.opts.Base)}
		if !w.allowed(draft) {
			return fail(403, "forbidden", "REQ#132: the token's scope is narrowed and does not cover this %s", w.typ)
		}
	}
	return nil
}

func (s *Server) exists(key string) bool {
	typ, id := splitType(key)
	return s.get(typ, id) != nil
}

// commit puts one admitted write on the chart, into the ledger and in front of the subscriptions, and returns the version
// the client is told of. The caller holds mu.
func (s *Server) commit(clientID string, w *write, tx int) *version {
	if w.id == "" {
		w.id = s.newID(w.typ)
	}
	at, fault := s.now(), ""
	if w.play != nil {
		fault = w.play.fault
		if !w.play.at.IsZero() {
			at = w.play.at
		}
		w.play.made = append(w.play.made, w.typ+"/"+w.id)
	}
	v := s.put(w.typ, w.id, s.kept(w), at, w.method, s.opts.Base)
	s.record(clientID, w.method, tx, v, w.received)
	s.ledger[len(s.ledger)-1].Fault = fault
	if w.typ == "Subscription" {
		s.activate(v)
	}
	s.announce(v)
	return v
}

// single runs one create or update in its own commit.
func (s *Server) single(c caller, w *write) (written, *failure) {
	if f := s.prepare(c, w); f != nil {
		return written{}, f
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	existing, f := s.decide(w)
	if f != nil {
		return written{}, f
	}
	if existing != nil {
		return written{v: existing, hit: true}, nil
	}
	if f := s.admit(w, s.exists); f != nil {
		return written{}, f
	}
	return written{v: s.commit(c.grant.ClientID, w, 0), created: w.method == http.MethodPost}, nil
}

func (s *Server) create(c caller, r *http.Request, typ string, body []byte) *Response {
	w := &write{typ: typ, method: http.MethodPost, received: body, ifNoneExist: r.Header.Get("If-None-Exist")}
	return s.write(c, r, w, body)
}

func (s *Server) update(c caller, r *http.Request, typ, id string, body []byte) *Response {
	w := &write{typ: typ, id: id, method: http.MethodPut, received: body, ifMatch: r.Header.Get("If-Match")}
	return s.write(c, r, w, body)
}

func (s *Server) write(c caller, r *http.Request, w *write, body []byte) *Response {
	var err error
	if w.resource, err = parse(body); err != nil {
		return fail(400, "structure", "%s", err.Error()).response()
	}
	w.under(playOf(r))
	done, f := s.single(c, w)
	if f != nil {
		return s.traits.vendor().told(f).response()
	}
	return s.writeResponse(r, done)
}

// under puts a write under what a fault changes.
func (w *write) under(p *play) {
	w.play = p
	if p.mutate != nil {
		p.mutate(w.resource)
	}
	if p.blind {
		w.ifNoneExist = ""
	}
}

// writeResponse is 201 for a create, 200 for an update or a conditional hit, with what Prefer asks for.
func (s *Server) writeResponse(r *http.Request, done written) *Response {
	resp := &Response{Status: http.StatusOK, Header: versionHeader(done.v)}
	if done.created {
		resp.Status = http.StatusCreated
	}
	resp.Header.Set("Location", s.location(done.v))
	switch s.preference(r) {
	case "minimal":
		resp.Header.Del("Content-Type")
	case "OperationOutcome":
		resp.Body = outcomeJSON("information", "informational", done.v.typ+" is on the chart", "")
	default:
		resp.Body = done.v.raw
	}
	if v := vendors[s.traits.Vendor]; v.answer != nil && done.created {
		v.answer(resp, done.v)
	}
	return resp
}

func versionHeader(v *version) http.Header {
	h := http.Header{}
	h.Set("Content-Type", mediaType)
	h.Set("ETag", v.etag())
	h.Set("Last-Modified", v.at.Format(http.TimeFormat))
	return h
}

func (s *Server) location(v *version) string {
	return s.opts.Base + "/" + v.key() + "/_history/" + strconv.Itoa(v.num)
}

// preference reads the return part of Prefer (R4 §3.1.0.1.6), else the server's own habit.
func (s *Server) preference(r *http.Request) string {
	if s.traits.vendor().silent {
		return "minimal"
	}
	for _, header := range r.Header.Values("Prefer") {
		for _, part := range strings.FieldsFunc(header, func(c rune) bool { return c == ';' || c == ',' }) {
			if want, ok := strings.CutPrefix(strings.TrimSpace(part), "return="); ok {
				return want
			}
		}
	}
	if s.traits.ReturnMinimal {
		return "minimal"
	}
	return "representation"
}

// horizon is how far searches can see: now less the index lag, or less a fault's where that is longer.
func (s *Server) horizon(lag time.Duration) time.Time {
	lag = max(lag, s.traits.SearchLag)
	s.told.Lock()
	ended := s.told.ended
	s.told.Unlock()
	if lag == 0 || ended {
		return endOfTime
	}
	return s.now().Add(-lag)
}

// parseForm reads an x-www-form-urlencoded body.
func parseForm(body []byte) (url.Values, *failure) { return queryOf(string(body)) }
