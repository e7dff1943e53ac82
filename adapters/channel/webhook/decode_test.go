package webhook_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartwire/chartwire/adapters/channel/webhook"
	"github.com/chartwire/chartwire/connector"
)

func TestDecodeGivesTheWholeEvent(t *testing.T) {
	line := strings.ReplaceAll(corpus[0], "\n", "")
	ev, err := channel(t, options()).DecodeLine([]byte(line + "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(line))
	file := "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	want := connector.Event{
		Key: hex.EncodeToString(sum[:]), Type: connector.MessageCreated, Timestamp: time.Date(2026, 11, 22, 18, 3, 12, 0, time.UTC), Raw: []byte(line),
		Thread: &connector.ThreadInfo{ID: "t-42", Subject: "Home readings", Topic: "clinical", Priority: connector.Urgent,
			Encounter: &connector.Identifier{System: "urn:visits", Value: "v-1"}, About: []string{"Appointment/123", "ServiceRequest/9"}},
		Patient: &connector.PatientKey{Identifiers: []connector.Identifier{{System: "urn:oid:2.16.840.1.113883.19.5", Value: "MRN123"}},
			Name: &connector.HumanName{Family: "Cho", Given: []string{"Daniel", "J"}}, BirthDate: "2015-07-04", Phone: "+15005550006"},
		Message: &connector.Message{ID: "m-1", Sequence: 1, Direction: connector.FromPatient,
			SentAt: time.Date(2026, 11, 22, 13, 3, 11, 250_000_000, time.FixedZone("", -5*3600)),
			Sender: connector.Participant{Role: connector.RoleProxy, ID: "u-901", Name: "Maria Cho", Relationship: "mother",
				Identifier: &connector.Identifier{System: "http://id.example/u", Value: "901"}},
			Recipients: []connector.Participant{{Role: connector.RolePool, ID: "nurse-triage", Name: "Nurse triage"}, {Role: connector.RoleSystem}},
			Text:       "98|60 & pulse 88 — OK? 🙂", InReplyTo: "m-0", Language: "en-US", Priority: connector.Routine,
			Attachments: []connector.Attachment{
				{ID: "a-1", Filename: "reading.png", ContentType: "image/png", Size: 5, SHA256: file, Data: []byte("hello")},
				{ID: "a-2", ContentType: "image/jpeg", SHA256: file, URL: "https://media.texting.example/2"},
			}},
	}
	if d := cmp.Diff(want, ev); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if _, off := ev.Message.SentAt.Zone(); off != -5*3600 {
		t.Error("sent_at lost its offset")
	}
}

func TestDecodeGivesTheTypesPartAlone(t *testing.T) {
	c := channel(t, options())
	for n, body := range corpus {
		ev, err := c.DecodeLine([]byte(body))
		if err != nil {
			t.Fatalf("event %d: %v", n, err)
		}
		parts := map[connector.EventType]bool{
			connector.MessageCreated: ev.Message != nil, connector.MessageStatus: ev.Delivery != nil,
			connector.MessageCorrected: ev.Correction != nil, connector.MessageRetracted: ev.Retraction != nil,
			connector.ConsentUpdated: ev.Consent != nil,
		}
		for typ, there := range parts {
			if there != (typ == ev.Type) {
				t.Errorf("event %d (%s): part of %s: %v", n, ev.Type, typ, there)
			}
		}
		follows := ev.Type == connector.MessageStatus || ev.Type == connector.MessageCorrected || ev.Type == connector.MessageRetracted
		if (ev.MessageID != "") != follows {
			t.Errorf("event %d (%s): MessageID %q", n, ev.Type, ev.MessageID)
		}
	}
}

func TestInlineFilesGetSizeAndHash(t *testing.T) {
	body := strings.Replace(corpus[0], `,"size":5,"sha256":"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"},`, "},", 1)
	ev, err := channel(t, options()).DecodeLine([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if a := ev.Message.Attachments[0]; a.Size != 5 || a.SHA256 != "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" {
		t.Errorf("size %d, hash %s", a.Size, a.SHA256)
	}
	ev, err = channel(t, options()).DecodeLine([]byte(corpus[4]))
	if err != nil || ev.Correction.Attachments[0].Data == nil {
		t.Errorf("an empty file given inline is there: %v", err)
	}
}

func TestRefusalsNameThePlace(t *testing.T) {
	for name, tc := range map[string]struct {
		from, to string
		policy   string
		pointer  string
	}{
		"missing":                {`"id":"m-1",`, ``, "", "/data/message/id"},
		"not of the type":        {`"sequence":1`, `"sequence":"1"`, "", "/data/message/sequence"},
		"null":                   {`"in_reply_to":"m-0"`, `"in_reply_to":null`, "", "/data/message/in_reply_to"},
		"null in a list":         {`"given":["Daniel","J"]`, `"given":["Daniel",null]`, "", "/data/patient/name/given/1"},
		"a word not known":       {`"role":"pool"`, `"role":"group"`, "", "/data/message/recipients/0/role"},
		"a role of another side": {`"direction":"from_patient"`, `"direction":"to_patient"`, "", "/data/message/sender/role"},
		"neither id":             {`{"role":"pool","id":"nurse-triage","name":"Nurse triage"}`, `{"role":"pool"}`, "", "/data/message/recipients/0"},
		"both data and url":      {`"data":"aGVsbG8="`, `"data":"aGVsbG8=","url":"https://x.example/"`, "", "/data/message/attachments/0"},
		"not base64":             {`"data":"aGVsbG8="`, `"data":"***"`, "", "/data/message/attachments/0/data"},
		"another size":           {`"size":5`, `"size":6`, "", "/data/message/attachments/0/size"},
		"another hash":           {`"sha256":"2c`, `"sha256":"3c`, "", "/data/message/attachments/0/sha256"},
		"one id twice":           {`"id":"a-2"`, `"id":"a-1"`, "", "/data/message/attachments/1/id"},
		"not a date":             {`"birth_date":"2015-07-04"`, `"birth_date":"2015-7-4"`, "", "/data/patient/birth_date"},
		"not an offset":          {`-05:00"`, `"`, "", "/data/message/sent_at"},
		"a field not known":      {`"topic":"clinical"`, `"topic":"clinical","mood":"x"`, webhook.RefuseUnknown, "/data/thread/mood"},
		"a field in other case":  {`"subject":`, `"Subject":`, webhook.RefuseUnknown, "/data/thread/Subject"},
		"a key twice":            {`"id":"t-42"`, `"id":"t-42","id":"t-43"`, "", "/data/thread/id"},
		"too much after it":      {`}}}`, `}}} x`, "", ""},
		"an unpaired surrogate":  {`98|60`, `\ud83d`, "", "/data/message/text"},
		"not UTF-8":              {`98|60`, "\xff", "", "/data/message/text"},
	} {
		body := strings.ReplaceAll(corpus[0], tc.from, tc.to)
		if name == "too much after it" {
			body = corpus[0] + " x"
		}
		o := options()
		o.UnknownFields = tc.policy
		_, err := channel(t, o).DecodeLine([]byte(body))
		var de *connector.DecodeError
		if !errors.As(err, &de) || de.Pointer != tc.pointer {
			t.Errorf("%s: %v, want %q", name, err, tc.pointer)
			continue
		}
		for _, phi := range []string{"Cho", "Daniel", "MRN123", "pulse", "2015", "5005550006", "group", "aGVsbG8"} {
			if strings.Contains(de.Error(), phi) {
				t.Errorf("%s: the error tells %q", name, phi)
			}
		}
	}
}

func TestUnknownFieldsAreKept(t *testing.T) {
	body := strings.Replace(corpus[0], `"topic":"clinical"`, `"topic":"clinical","mood":null,"ID":"t-99","x":{"y":[null]}`, 1)
	ev, err := channel(t, options()).DecodeLine([]byte(body))
	if err != nil || ev.Thread.ID != "t-42" {
		t.Fatalf("%v", err)
	}
	if !strings.Contains(string(ev.Raw), `"mood":null`) {
		t.Error("the body was not kept")
	}
}

func TestBodyLimit(t *testing.T) {
	o := options()
	o.MaxBody = 100
	_, err := channel(t, o).DecodeLine([]byte(corpus[0]))
	var de *connector.DecodeError
	if !errors.As(err, &de) {
		t.Errorf("%v, want a DecodeError", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, body := range corpus {
		f.Add([]byte(body), true)
	}
	f.Add([]byte(`{"type":"message.created","data":null}`), false)
	o := options()
	keep := channel(f, o)
	o.UnknownFields = webhook.RefuseUnknown
	refuse := channel(f, o)
	s := eventSchema(f, true)
	strict := eventSchema(f, false)
	f.Fuzz(func(t *testing.T, body []byte, keeps bool) {
		c, contract := refuse, strict
		if keeps {
			c, contract = keep, s
		}
		ev, err := c.DecodeLine(body)
		var de *connector.DecodeError
		switch {
		case err != nil && !errors.As(err, &de):
			t.Fatalf("%T %v", err, err)
		case err == nil && fits(contract, trimmed(body)) != nil:
			t.Fatalf("taken against the contract: %v", fits(contract, trimmed(body)))
		case err == nil && ev.Type == connector.MessageCreated && (ev.Thread == nil || ev.Message == nil || ev.Message.SentAt.IsZero() && ev.Message.SentAt.Year() != 1):
			t.Fatal("a message without its parts")
		}
		in := signed(t, secretA, "k", body, now)
		evs, decoded := c.Decode(in)
		if (decoded == nil) != (err == nil) && !strings.HasSuffix(string(body), "\n") && !strings.HasSuffix(string(body), "\r") {
			t.Fatalf("as a line: %v, as a delivery: %v", err, decoded)
		}
		if len(evs) != 1 || evs[0].Key != "k" {
			t.Fatal("the body does not come back with its key")
		}
	})
}

func trimmed(b []byte) []byte {
	return []byte(strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"))
}

func BenchmarkDecode(b *testing.B) {
	small := []byte(corpus[1])
	for _, bench := range []struct {
		name string
		body []byte
	}{{"small", small}, {"rich", []byte(corpus[0])}, {"photo", bundled(b)[0]}} {
		b.Run(bench.name, func(b *testing.B) {
			c := channel(b, options())
			in := signed(b, secretA, "k", bench.body, now)
			b.SetBytes(int64(len(bench.body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Decode(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
