package fhir

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/client"
	"github.com/chartwire/chartwire/fhir/r4"
	"github.com/chartwire/chartwire/fhir/validate"
)

// Prepare reads the target of an update and patches the named elements into the EHR's own bytes; everything else of it
// stays as it is. done says that the chart already shows it. Errors: *connector.Refused (WrongSubject where the target is
// on another chart), *Retry.
func (e *EHR) Prepare(ctx context.Context, w connector.Write) (connector.Write, *connector.Receipt, error) {
	if err := e.ready(); err != nil {
		return w, nil, err
	}
	if w.Update == nil {
		return w, nil, nil
	}
	resp, err := e.client.Read(ctx, w.Update.Target, w.Type)
	if err != nil {
		return w, nil, readError(err)
	}
	head := headOf(resp.Body)
	if w.Expect.Subject != "" && head.subject(w.Type) != w.Expect.Subject {
		return w, nil, &connector.Refused{Reason: connector.WrongSubject, Status: resp.Status}
	}
	if shows(resp.Body, w.Update) || overtaken(w.Type, head.Status, w.Update) {
		r := e.foundUpdate(ctx, w, resp)
		return w, &r, nil
	}
	body, err := r4.Patch(resp.Body, w.Update.Set, w.Update.Remove...)
	if err != nil {
		return w, nil, &connector.Refused{Reason: connector.GateRefused,
			Detail: connector.Protect("the EHR's entry cannot be changed safely: " + err.Error())}
	}
	if e.opts.Policy.Shape.Bare(w.Type) {
		if body, err = e.narrow(ctx, body); err != nil {
			return w, nil, err
		}
	}
	w.Method, w.URL, w.Body = "PUT", w.Update.Target, body
	w.Header = maps.Clone(w.Header)
	if w.Header == nil {
		w.Header = map[string]string{}
	}
	delete(w.Header, "If-Match")
	if version := versionOf(resp, head); version != "" {
		w.Header["If-Match"] = client.ETag(version)
	}
	return w, nil, nil
}

func (e *EHR) foundUpdate(ctx context.Context, w connector.Write, resp client.Response) connector.Receipt {
	r := connector.Receipt{Reference: w.Update.Target, Version: versionOf(resp, headOf(resp.Body)), Status: resp.Status,
		Verified: true, Found: true, Response: resp.Body}
	e.show(ctx, w, &r, resp.Body)
	return r
}

// head is what an update needs to know of its target.
type head struct {
	Status  string `json:"status"`
	Subject ref    `json:"subject"`
	For     ref    `json:"for"`
	Meta    struct {
		VersionID string `json:"versionId"`
	} `json:"meta"`
}

// subject is whose chart a resource of this type is on.
func (h head) subject(kind string) string {
	if kind == "Task" {
		return r4.LocalID(h.For.Reference)
	}
	return r4.LocalID(h.Subject.Reference)
}

func headOf(resource []byte) head {
	var h head
	_ = json.Unmarshal(resource, &h) // what cannot be read is empty, and an empty subject is nobody's
	return h
}

// versionOf prefers the ETag, which is what If-Match is compared with.
func versionOf(resp client.Response, h head) string {
	if v := client.Version(resp.Header.Get("ETag")); v != "" {
		return v
	}
	return h.Meta.VersionID
}

// overtaken says whether the entry has moved on so that the update must not be made: what is marked as entered in error
// stays so, whatever news comes later, and a Task that staff have ended in the EHR is not begun again.
func overtaken(kind, status string, u *connector.Update) bool {
	if kind == "Task" && slices.Contains([]string{"rejected", "cancelled", "failed", "completed"}, status) {
		return true
	}
	return status == "entered-in-error" && u.Set["status"] != nil && u.Set["status"] != "entered-in-error"
}

// shows says whether a resource already has every element as the update wants it.
func shows(resource []byte, u *connector.Update) bool {
	var have map[string]any
	if json.Unmarshal(resource, &have) != nil {
		return false
	}
	for name, want := range u.Set {
		if name == "lastModified" {
			continue // by itself it changes nothing, and an EHR may write its own
		}
		if !equal(have[name], want) {
			return false
		}
	}
	for _, name := range u.Remove {
		if _, there := have[name]; there {
			return false
		}
	}
	return true
}

// equal compares an element the EHR shows with one we want. A dateTime may be written with another offset, and an EHR may
// add to a CodeableConcept of ours as long as its text stays, and to a Reference as long as it is to the same resource.
func equal(have, want any) bool {
	want = plain(want)
	if h, ok := have.(string); ok {
		w, ok := want.(string)
		return ok && sameMoment(h, w)
	}
	h, okH := have.(map[string]any)
	w, okW := want.(map[string]any)
	switch {
	case !okH || !okW:
	case w["text"] != nil && len(w) == 1:
		return h["text"] == w["text"]
	case w["reference"] != nil:
		had, _ := h["reference"].(string)
		return had != "" && (had == w["reference"] || r4.LocalID(had) == w["reference"])
	}
	return reflect.DeepEqual(have, want)
}

// plain brings a value to what JSON decoding gives.
func plain(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		return v
	}
	var out any
	if json.Unmarshal(b, &out) != nil {
		return v
	}
	return out
}

// Gate says whether a resolved write may leave. What we made is checked whole. Of an update only our own elements are:
// the rest is the EHR's, and it may hold what no validator but its own accepts.
func (e *EHR) Gate(w connector.Write) error {
	err := error(nil)
	switch {
	case w.Update != nil:
		err = gateUpdate(w)
	case e.opts.Policy.Shape.Bare(w.Type):
		err = gate.Bare(w.Body)
	default:
		err = gate.Resource(w.Body)
	}
	if err == nil {
		return nil
	}
	sentence := "the resource could not be checked"
	var problem *validate.Problem
	if errors.As(err, &problem) {
		sentence = problem.Error()
	}
	return &connector.Refused{Reason: connector.GateRefused, Detail: connector.Protect(sentence)}
}

func gateUpdate(w connector.Write) error {
	var have struct {
		ResourceType string `json:"resourceType"`
		ID           string `json:"id"`
	}
	if json.Unmarshal(w.Body, &have) != nil || have.ResourceType+"/"+have.ID != w.URL {
		return &validate.Problem{Resource: w.Type, Text: "the body of an update is not the resource at its URL"}
	}
	ours := map[string]any{"resourceType": w.Type}
	maps.Copy(ours, w.Update.Set)
	if w.Type == "DocumentReference" { // content is required there, and is the EHR's
		ours["content"] = []any{map[string]any{"attachment": map[string]any{"title": "as filed"}}}
	}
	if w.Type == "Task" { // likewise its intent
		ours["intent"] = "order"
	}
	body, err := json.Marshal(ours)
	if err != nil {
		return &validate.Problem{Resource: w.Type, Text: "an element of the update is not JSON"}
	}
	return gate.Base(body)
}
