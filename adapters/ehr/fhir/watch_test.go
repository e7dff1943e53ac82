package fhir

import (
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/connector"
)

func born(id, medium, rest string) string {
	return `{"resourceType":"CommunicationRequest","id":"` + id + `","status":"active","subject":{"reference":"Patient/daniel"},` +
		`"recipient":[{"reference":"Patient/daniel"}],"medium":[{"coding":[{"system":"` + testBase + `/channel","code":"` + medium + `"}]}]` + rest + `}`
}

func TestChanged(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full()})
	l.put(t, `{"resourceType":"CommunicationRequest","id":"cr3","status":"active","subject":{"reference":"Patient/daniel"}}`)
	l.put(t, born("cr1", "texting", `,"payload":[{"contentString":"one"},{"contentString":"two"}]`))
	l.put(t, born("cr2", "texting", `,"identifier":[{"system":"`+testBase+`/old-channel/request","value":"01J"}]`))
	all, highest, err := l.adapter.Changed(t.Context(), time.Time{})
	if err != nil || len(all) != 2 || highest.IsZero() {
		t.Fatalf("%d requests, %v, %v", len(all), highest, err)
	}
	for _, r := range all {
		switch r.Reference {
		case "CommunicationRequest/cr1":
			if r.Ours || r.Text != "one\ntwo" || r.Channels[0] != "texting" || r.Recipients[0] != "Patient/daniel" || r.Version == "" || r.Status != "active" {
				t.Errorf("%+v", r.Channels)
			}
		case "CommunicationRequest/cr2":
			if !r.Ours {
				t.Error("a request with our identifier is ours, whatever channel made it")
			}
		default:
			t.Errorf("%s does not name a channel of ours", r.Reference)
		}
	}
	again, _, err := l.adapter.Changed(t.Context(), highest.Add(time.Second))
	if err != nil || len(again) != 0 {
		t.Errorf("%d requests after the highest, %v", len(again), err)
	}
	if again, _, err = l.adapter.Changed(t.Context(), highest); err != nil || len(again) == 0 {
		t.Errorf("a request of that very moment is missed: %v", err)
	}
}

func TestChangedPages(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full()})
	for i := range 230 {
		l.put(t, born(fmt.Sprintf("cr%03d", i), "texting", ""))
	}
	all, _, err := l.adapter.Changed(t.Context(), time.Time{})
	if err != nil || len(all) != 230 {
		t.Errorf("%d of 230, %v", len(all), err)
	}
}

func TestRequest(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full()})
	photo := base64.StdEncoding.EncodeToString([]byte("photo"))
	l.put(t, `{"resourceType":"Binary","id":"b1","contentType":"image/png","data":"`+photo+`"}`)
	l.put(t, born("cr1", "texting", `,"priority":"urgent","doNotPerform":true,"authoredOn":"2026-11-22T10:00:00-05:00",`+
		`"occurrencePeriod":{"start":"2026-11-23T09:00:00-05:00","end":"2026-11-24"},"groupIdentifier":{"system":"`+testBase+`/texting/thread","value":"t-9"},`+
		`"sender":{"reference":"Organization/clinic","display":"Clinic"},"requester":{"type":"Practitioner","identifier":{"system":"urn:x","value":"1"}},`+
		`"payload":[{"contentString":"hello"},{"contentAttachment":{"contentType":"image/png","url":"Binary/b1","title":"p.png"}},`+
		`{"contentAttachment":{"contentType":"text/plain","data":"aGk=","title":"n.txt"}}]`))
	r, err := l.adapter.Request(t.Context(), "CommunicationRequest/cr1")
	if err != nil {
		t.Fatal(err)
	}
	if !r.DoNotPerform || r.Priority != connector.Urgent || r.ThreadID != "t-9" || r.Subject != "Patient/daniel" || r.Text != "hello" ||
		r.Sender.Literal != "Organization/clinic" || r.Requester.Identifier == nil || r.AuthoredOn.IsZero() || r.Version == "" {
		t.Errorf("%v %v %v", r.ThreadID, r.Text, r.Sender.Literal)
	}
	if r.DueFrom.Format(time.RFC3339) != "2026-11-23T09:00:00-05:00" || r.DueUntil.Format(time.RFC3339) != "2026-11-24T23:59:59Z" {
		t.Errorf("due %v until %v", r.DueFrom, r.DueUntil)
	}
	if len(r.Attachments) != 2 || string(r.Attachments[0].Data) != "photo" || string(r.Attachments[1].Data) != "hi" || r.Attachments[0].Filename != "p.png" {
		t.Errorf("%d attachments", len(r.Attachments))
	}
	for _, ref := range []string{"CommunicationRequest/none", "Patient/daniel", "../x"} {
		if _, err := l.adapter.Request(t.Context(), ref); !errors.Is(err, connector.ErrNoMatch) {
			t.Errorf("%s: %v", ref, err)
		}
	}
}
