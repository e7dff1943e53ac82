package inbox

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// files puts a write of an item on the chart.
func (w *world) files(item connector.Item, write connector.Write, r connector.Receipt) {
	w.t.Helper()
	w.update(func(tx connector.Tx) error {
		row := connector.WriteRow{ID: connector.NewID(time.Now()), EHR: w.ehr.ID, Thread: item.Thread, Item: item.ID, Key: write.Key, State: connector.WriteFiled,
			Write: write, Receipt: r, FiledAt: time.Now().UTC()}
		if err := tx.PutWrite(&row); err != nil {
			return err
		}
		if item.State == connector.Filed {
			return nil
		}
		item.State, item.Reason, item.ChangedAt = connector.Filed, "", time.Now().UTC()
		return tx.PutItem(&item)
	})
}

func TestFiled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.signed(doctor, daniel, "doctor")
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		w.event(daniel, "t-1", connector.MessageCorrected, func(e *connector.Event) {
			e.MessageID, e.Correction = "m-1", &connector.Correction{Version: 2, Text: "My left knee hurts", At: e.Timestamp}
		})
		other := w.comes(daniel, "t-2", 2, patientSide, "My arm hurts")
		ofMaria := w.comes(maria, "t-3", 3, patientSide, "My head hurts")
		items := w.items(thread)
		w.files(items[connector.ItemExchange], connector.Write{Key: "a", Method: "POST", URL: "Communication", Type: "Communication",
			Body: []byte(`{"resourceType":"Communication","payload":[{"contentString":"My knee hurts"}]}`)},
			connector.Receipt{Reference: "Communication/c1", Version: "1", Verified: true})
		w.files(items[connector.ItemCorrection], connector.Write{Key: "b", Method: "POST", Type: "DocumentReference", Header: map[string]string{"Content-Type": connector.ER7 + "; charset=utf-8"},
			Body: []byte("MSH|^~\\&|CHARTWIRE\rTXA|1|CN\rOBX|1|TX|||My left knee hurts\r")}, connector.Receipt{At: time.Now().UTC(), Found: true})
		v := w.opened(s, thread)
		if len(v.Entries) != 1 || !v.Entries[0].Filed || v.Entries[0].Chart.Text != "On the chart" || v.Entries[0].Chart.Ref != "Communication/c1" {
			t.Fatalf("the page shows %+v", v.Entries)
		}
		w.reads()
		page, err := w.desk.Filed(t.Context(), s, thread, v.Entries[0].ID)
		got := page.Filed
		if err != nil || len(got) != 2 || page.Frame.Banner.Reference != daniel || page.Frame.Launch != s.ID {
			t.Fatalf("%d requests, %v", len(got), err)
		}
		want := []FiledView{
			{Method: "POST", URL: "Communication", Reference: "Communication/c1", Version: "1", FiledAt: got[0].FiledAt,
				Proof: "The EHR confirmed it, and showed the same patient and words back.",
				Body:  "{\n  \"resourceType\": \"Communication\",\n  \"payload\": [\n    {\n      \"contentString\": \"My knee hurts\"\n    }\n  ]\n}"},
			{Method: "POST", URL: "/", FiledAt: got[1].FiledAt, Proof: "It was found on the chart by its identifier; it showed nothing back that could be compared.",
				Body: "MSH|^~\\&|CHARTWIRE\nTXA|1|CN\nOBX|1|TX|||My left knee hurts"},
		}
		if !slices.Equal(got, want) || got[0].FiledAt.IsZero() {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if got := w.reads(); !slices.Equal(got, []string{thread + " filed"}) {
			t.Errorf("audited %v", got)
		}
		message := v.Entries[0].ID
		for name, c := range map[string]struct{ thread, message, why string }{
			"another thread's":  {other, message, "other-thread"},
			"another patient's": {ofMaria, message, "other-patient"},
			"none":              {thread, connector.NewID(time.Now()), ""},
		} {
			if page, err := w.desk.Filed(t.Context(), s, c.thread, c.message); !errors.Is(err, connector.ErrNotFound) || len(page.Filed) != 0 || c.why != "" && !w.denied(c.why) {
				t.Errorf("%s: %d requests, %v", name, len(page.Filed), err)
			}
		}
	})
}

func TestFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.signed(doctor, daniel, "doctor")
		photo := picture(t, "image/png", 640, 320, 255)
		brings := func(patient, thread string, seq int64) string {
			return w.event(patient, thread, connector.MessageCreated, func(e *connector.Event) {
				e.Message = &connector.Message{ID: "m-1", Sequence: seq, Direction: connector.FromPatient, SentAt: e.Timestamp, Sender: patientSide, Text: "Look"}
				for name, of := range map[string]struct {
					kind string
					data []byte
				}{"photo.png": {"image/png", photo}, "page.html": {"text/html", []byte("<script>x()</script>")}, "plan.pdf": {"application/pdf", []byte(pdf)},
					"lie.pdf": {"application/pdf", photo}, "tale.txt": {"text/plain", []byte("<html><script>x()</script>")}} {
					e.Message.Attachments = append(e.Message.Attachments, connector.Attachment{ID: name, Filename: name, ContentType: of.kind, Data: of.data})
				}
			})
		}
		thread, other, ofMaria := brings(daniel, "t-1", 1), brings(daniel, "t-2", 1), brings(maria, "t-3", 1)
		message := w.opened(s, thread).Entries[0].ID
		w.reads()
		for name, want := range map[string]string{"photo.png": "image/png", "page.html": octets, "plan.pdf": "application/pdf", "lie.pdf": octets, "tale.txt": octets} {
			got, kind, data, err := w.desk.File(t.Context(), s, thread, message, name, false)
			if err != nil || got != name || kind != want || len(data) == 0 {
				t.Errorf("%s is given as %s %s, %d bytes, %v", name, got, kind, len(data), err)
			}
			if read := w.reads(); !slices.Equal(read, []string{thread + " attachment"}) {
				t.Errorf("%s: audited %v", name, read)
			}
			_, kind, small, err := w.desk.File(t.Context(), s, thread, message, name, true)
			is := strings.HasPrefix(name, "photo") || name == "lie.pdf" // what the bytes are counts
			if is && (err != nil || kind != "image/jpeg" || len(small) == 0) || !is && !errors.Is(err, connector.ErrNotFound) {
				t.Errorf("the small picture of %s is %s, %d bytes, %v", name, kind, len(small), err)
			}
			w.reads()
		}
		for name, c := range map[string]struct{ thread, message, id, why string }{
			"another thread's":  {other, message, "photo.png", "other-thread"},
			"another patient's": {ofMaria, message, "photo.png", "other-patient"},
			"no such file":      {thread, message, "none", ""},
			"no such message":   {thread, connector.NewID(time.Now()), "photo.png", ""},
			"no such draft":     {"", message, "photo.png", ""},
		} {
			_, _, data, err := w.desk.File(t.Context(), s, c.thread, c.message, c.id, false)
			if !errors.Is(err, connector.ErrNotFound) || len(data) != 0 || c.why != "" && !w.denied(c.why) {
				t.Errorf("%s: %d bytes, %v", name, len(data), err)
			}
			if read := w.reads(); len(read) != 0 {
				t.Errorf("%s: audited %v", name, read)
			}
		}
	})
}

// Whatever shows messages is audited first, and shows none where that cannot be.
func TestReadsAreAudited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.signed(doctor, daniel, "doctor")
		one, two := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts"), w.comes(daniel, "t-2", 1, patientSide, "My arm hurts")
		w.said()
		w.opened(s, one)
		w.wantSaid("message-read 0 user for " + doctor)
		w.opened(s, one)
		if got := w.reads(); !slices.Equal(got, []string{one}) {
			t.Errorf("a thread: audited %v", got)
		}
		if _, err := w.desk.Patient(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		got := w.reads()
		if slices.Sort(got); !slices.Equal(got, []string{one + " list", two + " list"}) {
			t.Errorf("a list: audited %v", got)
		}
		w.store.with(func() { w.store.fail = connector.ErrStore })
		message := ""
		w.update(func(tx connector.Tx) error {
			all, err := tx.ThreadMessages(w.ehr.ID, one)
			message = all[0].ID
			return err
		})
		thread, err := w.desk.Thread(t.Context(), s, one, "")
		if !errors.Is(err, connector.ErrStore) || len(thread.Entries) != 0 {
			t.Errorf("a thread that cannot be audited: %d entries, %v", len(thread.Entries), err)
		}
		list, err := w.desk.Patient(t.Context(), s)
		if !errors.Is(err, connector.ErrStore) || len(list.Threads) != 0 {
			t.Errorf("a list that cannot be audited: %d threads, %v", len(list.Threads), err)
		}
		filed, err := w.desk.Filed(t.Context(), s, one, message)
		if !errors.Is(err, connector.ErrStore) || len(filed.Filed) != 0 {
			t.Errorf("what was filed, not audited: %d, %v", len(filed.Filed), err)
		}
	})
}
