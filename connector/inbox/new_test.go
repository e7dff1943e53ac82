package inbox

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/ingest"
)

// newPage opens the page of a new message.
func (w *world) newPage(s *Session, channel string, draft ...string) Composer {
	w.t.Helper()
	v, err := w.desk.New(w.t.Context(), s, channel, strings.Join(draft, ""))
	if err != nil {
		w.t.Fatal(err)
	}
	return v.Composer
}

func TestNewMessageChoosesItsChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.channel("portal", ingest.Channel{DefaultPool: "nurses", Consent: "required"})
		s := w.signed(doctor, daniel, "doctor")
		c := w.newPage(s, "")
		missing := cannot(connector.ConsentMissing)
		if !c.May || c.Channel != "texting" || c.Ask || c.ReadBy != "to Cho" || !slices.Equal(c.Draft.To, []string{"patient"}) || len(c.To) != 1 {
			t.Errorf("the first that can carry it: %+v", c)
		}
		if len(c.Channels) != 2 || c.Channels[0].Consent != "" || c.Channels[1].Consent != missing {
			t.Errorf("channels %+v", c.Channels)
		}
		if c = w.newPage(s, "portal"); c.May || c.Why != missing || c.Channel != "portal" {
			t.Errorf("one without consent: may: %v, %q", c.May, c.Why)
		}
		if c = w.newPage(s, "fax"); c.May || c.Why == "" || c.Channel != "" {
			t.Errorf("one that is not there: %+v", c)
		}
		w.consent(daniel, "t-9", connector.Revoked)
		revoked := cannot(connector.ConsentRevoked)
		if c = w.newPage(s, ""); c.May || c.Why != revoked || c.Channel != "texting" || c.Channels[0].Consent != revoked {
			t.Errorf("none with consent: may: %v, %q by %q", c.May, c.Why, c.Channel)
		}
		w.ehr.Channels = nil
		w.desk = w.replica()
		if c = w.newPage(s, ""); c.May || c.Why != "No channel is set up that could carry a message to this patient." || len(c.Channels) != 0 {
			t.Errorf("no channel: may: %v, %q", c.May, c.Why)
		}
	})
}

// A new message goes to whom its page says, and where several of the patient's side have written its user chooses.
func TestNewMessageGoesToWhomItsPageSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.channel("portal", ingest.Channel{DefaultPool: "nurses"})
		w.running(w.desk)
		s := w.signed(doctor, daniel, "doctor")
		c := w.newPage(s, "")
		in := SendIn{DraftIn: DraftIn{Channel: c.Channel, Topic: "results", To: c.Draft.To, Text: "Your results are in.", Bind: c.Bind}}
		sent, err := w.desk.Send(t.Context(), s, in)
		if err != nil || sent.ReadBy != c.ReadBy {
			t.Fatalf("to be read by %q, %v", sent.ReadBy, err)
		}
		leaves()
		all, err := w.desk.Patient(t.Context(), s)
		if err != nil || len(all.Threads) != 1 || len(all.Drafts) != 0 {
			t.Fatalf("%d threads, %d drafts, %v", len(all.Threads), len(all.Drafts), err)
		}
		rows, _ := w.ours(all.Threads[0].ID)
		if len(rows) != 1 || rows[0].Message.Text != in.Text || rows[0].Message.Recipients[0].Identifier.Value != daniel || all.Threads[0].Topic != "results" {
			t.Errorf("sent %d in %+v", len(rows), all.Threads[0])
		}
		w.comes(daniel, "t-1", 1, motherSide, "He cannot walk")
		if c = w.newPage(s, "texting"); !c.Ask || c.ReadBy != "" || len(c.Draft.To) != 0 || len(c.To) != 2 {
			t.Errorf("two could read it: asks: %v, %q, for %v", c.Ask, c.ReadBy, c.Draft.To)
		}
		if c = w.newPage(s, "portal"); c.Ask || c.ReadBy != "to Cho" || !slices.Equal(c.Draft.To, []string{"patient"}) {
			t.Errorf("the mother wrote elsewhere: %+v", c.To)
		}
		c = w.newPage(s, "texting")
		kept, err := w.desk.Save(t.Context(), s, DraftIn{Channel: "texting", To: []string{"u-mother"}, Text: "Let him rest", Bind: c.Bind})
		if err != nil {
			t.Fatal(err)
		}
		if c = w.newPage(s, "", kept.ID); c.Channel != "texting" || !slices.Equal(c.Draft.To, []string{"u-mother"}) || c.Draft.Text != "Let him rest" {
			t.Errorf("the draft is %+v", c.Draft)
		}
		if c = w.newPage(s, "portal", kept.ID); c.ReadBy != "to Cho" || !slices.Equal(c.Draft.To, []string{"patient"}) || c.Draft.Text != "Let him rest" {
			t.Errorf("by another channel it says %q and is for %v", c.ReadBy, c.Draft.To)
		}
	})
}
