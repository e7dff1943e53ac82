package filing_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
)

func photo(x *connector.Exchange) {
	x.Message.Attachments = []connector.Attachment{{ID: "a-1", Filename: "reading.png", ContentType: "image/png", Data: []byte("\x89PNG")}}
}

func sheet(x *connector.Exchange) {
	x.Message.Attachments = []connector.Attachment{{ID: "a-2", Filename: "log & notes.csv", ContentType: "text/csv", Data: []byte("a,b")}}
}

func answers(x *connector.Exchange) { x.Message.InReplyTo, x.Parent = "m-0", "m-0" }

func orphan(x *connector.Exchange) { x.Message.InReplyTo = "m-0" } // what it answers is not on the chart

func urgent(x *connector.Exchange) { x.Message.Priority, x.Message.Language = connector.Urgent, "es" }

func internal(x *connector.Exchange) {
	x.Message.Direction, x.Message.Sender = connector.Internal, ana
}

func charted(state connector.SendState) func(*connector.Exchange) {
	return func(x *connector.Exchange) { x.Charted = connector.Delivery{State: state, At: receivedAt} }
}

func about(x *connector.Exchange) { x.Thread.About = []string{"ServiceRequest/1"} }

// TestLost: for each thing an exchange can say, what the chart will not show under each strategy.
func TestLost(t *testing.T) {
	fixed := func(s connector.Strategy) connector.Traits { // entries can be added and not changed
		traits := able(s)
		traits.Update = false
		return traits
	}
	document := connector.Traits{Strategy: connector.AsMDM, Echo: connector.EchoNone}
	api := connector.Traits{Strategy: connector.AsVendorCall}
	const header, exch, corr, retr, status = connector.ItemHeader, connector.ItemExchange, connector.ItemCorrection, connector.ItemRetraction, connector.ItemStatus
	type changes = []func(*connector.Exchange)
	for _, c := range []struct {
		name    string
		traits  connector.Traits
		kind    connector.ItemKind
		changes changes
		want    string // What, in order
	}{
		{"communication, everything", able(comm), exch, changes{photo, answers, urgent, from(mother)}, ""},
		{"communication, answer to nothing", able(comm), exch, changes{orphan}, "in-response-to"},
		{"communication, sent", able(comm), exch, changes{toPatient(connector.Sent)}, ""},
		{"communication, read", able(comm), exch, changes{toPatient(connector.Read)}, "read"},
		{"communication, pool behind the clinic", able(comm), exch, changes{from(connector.Participant{Role: connector.RolePool, ID: "team", Name: "Team"}), team}, "sender"},
		{"communication, internal", able(comm), exch, changes{internal}, ""},
		{"communication, header", able(comm), header, changes{about}, ""},
		{"communication, close", able(comm), connector.ItemClose, nil, ""},
		{"communication, delivered later", able(comm), status, changes{toPatient(connector.Delivered), charted(connector.Sent)}, ""},
		{"communication, correction", able(comm), corr, changes{correction(2, 1)}, "correction"},
		{"communication, retraction", able(comm), retr, changes{retraction(1)}, ""},
		{"fixed communication, sent", fixed(comm), exch, changes{toPatient(connector.Sent)}, "delivery"},
		{"fixed communication, failed later", fixed(comm), status, changes{toPatient(connector.Failed), charted(connector.Sent)}, "delivery"},
		{"fixed communication, delivered later", fixed(comm), status, changes{toPatient(connector.Delivered), charted(connector.Sent)}, "delivery"},
		{"fixed communication, retraction", fixed(comm), retr, changes{retraction(1)}, "retraction"},
		{"fixed communication, close", fixed(comm), connector.ItemClose, nil, "thread"},

		{"note, photo", able(noted), exch, changes{photo, urgent}, "attachment recipients priority"},
		{"note, answer", able(noted), exch, changes{answers}, "recipients"},
		{"note, read", able(noted), exch, changes{toPatient(connector.Read)}, "recipients"},
		{"note, internal", able(noted), exch, changes{internal}, "internal-note"},
		{"document, photo", able(printed), exch, changes{photo, urgent}, "attachment recipients priority"},
		{"document, answer", able(printed), exch, changes{answers}, "recipients"},
		{"document, read", able(printed), exch, changes{toPatient(connector.Read)}, "recipients"},
		{"document, internal", able(printed), exch, changes{internal}, "internal-note"},
		{"document, header", able(printed), header, changes{about}, "thread about"},
		{"document, correction", able(printed), corr, changes{correction(2, 1)}, "recipients"},
		{"fixed document, correction", fixed(printed), corr, changes{correction(2, 1)}, "recipients correction"},
		{"fixed document, retraction", fixed(printed), retr, changes{retraction(1)}, "retraction"},
		{"fixed document, failed later", fixed(printed), status, changes{toPatient(connector.Failed), charted(connector.Sent)}, "delivery"},
		{"note, header", able(noted), header, changes{about}, "thread about"},
		{"note, correction", able(noted), corr, changes{correction(2, 1)}, "recipients"},
		{"fixed note, correction", fixed(noted), corr, changes{correction(2, 1)}, "recipients correction"},
		{"note, retraction", able(noted), retr, changes{retraction(1)}, ""},
		{"note, said already", fixed(noted), status, changes{toPatient(connector.Delivered), charted(connector.Delivered)}, ""},

		{"document, photo", document, exch, changes{daniel, photo}, "sender recipients receipt"},
		{"document, table", document, exch, changes{daniel, sheet, urgent}, "attachment sender recipients language priority receipt"},
		{"document, answer", document, exch, changes{daniel, answers, toPatient(connector.Sent)}, "sender recipients in-response-to delivery receipt"},
		{"document, internal", document, exch, changes{daniel, internal}, "internal-note"},
		{"document, correction", document, corr, changes{daniel, correction(2, 1)}, "sender recipients receipt"},
		{"document, late correction", document, corr, changes{daniel, correction(2, 1, 3)}, "sender recipients correction receipt"},
		{"document, retraction", document, retr, changes{daniel, retraction(1)}, "retraction receipt"},
		{"document, refused", document, exch, nil, "message"},

		{"vendor, photo", api, exch, changes{photo, urgent}, "sender recipients language"},
		{"vendor, table", api, exch, changes{sheet}, "attachment sender recipients"},
		{"vendor, correction", api, corr, changes{correction(2, 1)}, "sender recipients correction"},
		{"vendor, retraction", api, retr, changes{retraction(1)}, "retraction"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := exchange(c.kind, c.traits.Strategy, c.changes...)
			p := policy(t)
			p.MDM, p.Vendor = mdmPolicy().MDM, posts
			writes, err := filing.Plan(p, c.traits, x)
			if refused := new(connector.Refused); err != nil && !errors.As(err, &refused) {
				t.Fatal(err)
			}
			lost := filing.Lost(x, writes, c.traits)
			var got []string
			for _, l := range lost {
				got = append(got, l.What)
				if !strings.HasSuffix(l.Text, ".") || strings.Contains(l.Text, "\n") {
					t.Errorf("not one sentence: %q", l.Text)
				}
			}
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("lost (-want +got):\n%s%+v", diff, lost)
			}
			if again := filing.Lost(x, writes, c.traits); !cmp.Equal(lost, again) {
				t.Error("two answers about one plan differ")
			}
		})
	}
}

// team resolves the sender to what a Communication's sender cannot be.
func team(x *connector.Exchange) {
	x.Refs["team"] = connector.Reference{Literal: "CareTeam/1", Display: "Team"}
}

// TestLostIsReadFromTheWrites: a plan of no strategy known here is judged by what it holds.
func TestLostIsReadFromTheWrites(t *testing.T) {
	x := exchange(connector.ItemExchange, "", photo)
	traits := connector.Traits{Update: true, Echo: connector.EchoExact}
	w := connector.Write{Method: "POST", URL: "patientcase", Body: []byte(`{"internalnote":"From: Maria"}`)}
	var got []string
	for _, l := range filing.Lost(x, []connector.Write{w}, traits) {
		got = append(got, l.Text)
	}
	want := []string{"The chart does not hold the exact words.", "The file reading.png (image/png) is not included and not named.",
		"Who sent it is not shown.", "1 recipient is not shown."}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.Body = []byte(`{"internalnote":"patient to Nurse triage (pool): hello"}`)
	w.Expect.Text, w.Expect.Attachments = connector.Hash([]byte("hello")), []string{connector.Hash(x.Message.Attachments[0].Data)}
	if got := filing.Lost(x, []connector.Write{w}, traits); len(got) != 2 || got[0].Text != "Who sent it stands in the text only." || got[1].Text != "1 recipient stands in the text only." {
		t.Errorf("%+v", got)
	}
}
