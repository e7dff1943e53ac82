package store

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/seal"
)

const canary = "Kanarienvogel"

// filler puts a different canary into every string and byte slice it can reach, and a value into everything else, so that
// a field added later is looked after without anybody thinking of it.
type filler struct{ n int }

func (f *filler) word() string {
	f.n++
	return fmt.Sprintf("%s-%05d", canary, f.n)
}

func (f *filler) fill(v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		f.n++
		v.Set(reflect.ValueOf(time.UnixMicro(1_700_000_000_000_000 + int64(f.n)).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.word())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		f.n++
		v.SetInt(int64(f.n))
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(f.word()))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		f.fill(v.Index(0))
	case reflect.Map:
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(k)
		f.fill(e)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(k, e)
	case reflect.Interface:
		v.Set(reflect.ValueOf(f.word()))
	default:
		panic("a kind that no row had: " + v.Type().String())
	}
}

func filled[T any](f *filler) T {
	var v T
	f.fill(reflect.ValueOf(&v).Elem())
	return v
}

// rows are one row of each kind, full of canaries but for what stands in clear: ids and enum words of ours, and names of
// the configuration.
type rows struct {
	event   connector.EventRow
	thread  connector.Thread
	message connector.MessageRow
	item    connector.Item
	write   connector.WriteRow
	attempt connector.Attempt
	born    connector.Born
	consent connector.ConsentRow
	probe   connector.Probe
	audit   connector.AuditEntry
	patient connector.ADTPatient
	visit   connector.ADTVisit
	launch  connector.LaunchRow
	session connector.SessionRow
	draft   connector.DraftRow
	blob    string
	refused []string
}

const plainChannel = "sms-im-klartext"

func fullRows(f *filler, n int) *rows {
	id := func(what string) string { return fmt.Sprintf("%s%d", what, n) }
	r := &rows{
		event: filled[connector.EventRow](f), thread: filled[connector.Thread](f), message: filled[connector.MessageRow](f),
		item: filled[connector.Item](f), write: filled[connector.WriteRow](f), attempt: filled[connector.Attempt](f),
		born: filled[connector.Born](f), consent: filled[connector.ConsentRow](f), probe: filled[connector.Probe](f), audit: filled[connector.AuditEntry](f),
		patient: filled[connector.ADTPatient](f), visit: filled[connector.ADTVisit](f), launch: filled[connector.LaunchRow](f), session: filled[connector.SessionRow](f),
		draft: filled[connector.DraftRow](f), blob: f.word(), refused: []string{f.word(), f.word()},
	}
	th := id("thread")
	r.event.ID, r.event.EHR, r.event.Channel, r.event.Thread = id("event"), "E", plainChannel, th
	r.thread.ID, r.thread.EHR, r.thread.Channel, r.thread.Header, r.thread.Strategy, r.thread.Version = th, "E", plainChannel, id("header"), connector.AsNote, 0
	r.message.ID, r.message.EHR, r.message.Thread, r.message.Client, r.message.Born = id("message"), "E", th, id("client"), id("born")
	i := &r.item
	i.ID, i.EHR, i.Thread, i.Lane, i.Kind, i.Message, i.State = id("item"), "E", th, connector.LaneChart, connector.ItemExchange, r.message.ID, connector.Held
	i.Was, i.Reason, i.Channel, i.Direction = "", connector.NoPatient, plainChannel, connector.FromPatient
	r.write.ID, r.write.EHR, r.write.Thread, r.write.Item, r.write.State = id("write"), "E", th, i.ID, connector.WriteFiled
	a := &r.attempt
	a.ID, a.EHR, a.Thread, a.Write, a.Outcome, a.Reason = id("attempt"), "E", th, r.write.ID, "refused", connector.EHRRefused
	r.born.ID, r.born.EHR, r.born.Thread, r.born.Item = r.message.Born, "E", th, i.ID
	r.consent.EHR, r.consent.Channel = "E", plainChannel
	r.probe.ID, r.probe.EHR = id("probe"), id("E") // the last of each connection is read
	r.patient.EHR, r.visit.EHR = "E", "E"
	r.launch.EHR, r.session.EHR, r.session.ID, r.session.Version = "E", "E", id("session"), 0
	r.draft.EHR, r.draft.ID, r.draft.Thread, r.draft.Version = "E", id("draft"), th, 0
	u := &r.audit
	u.ID, u.EHR, u.Kind, u.Action, u.Outcome, u.Agent, u.Thread, u.Item = connector.NewID(time.Now()), "E", "send", "C", 4, "channel:"+plainChannel, th, i.ID
	return r
}

func (r *rows) put(tx connector.Tx) error {
	// Copies, because put may run twice.
	th, m, i, w, a, b := r.thread, r.message, r.item, r.write, r.attempt, r.born
	s, d := r.session, r.draft
	_, err := tx.InsertEvent(r.event)
	_, taken := tx.InsertADTMessage("E", r.refused[0], []byte(r.blob), time.Now(), time.Hour)
	return errors.Join(err, taken, tx.KeepEvent(r.event), tx.PutThread(&th), tx.PutMessage(&m), tx.PutBlob("E", th.ID, m.ID, r.blob, []byte(r.blob)), tx.PutItem(&i),
		tx.PutWrite(&w), tx.PutAttempt(&a), tx.PutBorn(&b), tx.PutConsent(r.consent), tx.PutProbe(r.probe), tx.Audit(r.audit),
		tx.PutLaunch(r.launch), tx.PutSession(&s), tx.PutDraft(&d), tx.PutADTPatient(r.patient), tx.PutADTVisit(r.visit), tx.AwaitPatient("E", th.ID, []string{r.patient.Reference}),
		tx.CountRefusal("E", plainChannel, r.refused[0], r.refused[1], time.Now()), tx.TouchLane("E", th.ID, connector.LaneChart, time.Now(), i.Priority))
}

// reads are the ways to read what put wrote.
func (r *rows) reads(tx connector.Tx) map[string]func() (any, error) {
	of := func(v any, err error) (any, error) { return v, err }
	return map[string]func() (any, error){
		"event_kept":    func() (any, error) { return of(tx.KeptEvent("E", r.event.ID)) },
		"thread":        func() (any, error) { return of(tx.Thread("E", r.thread.ID)) },
		"message":       func() (any, error) { return of(tx.Message("E", r.message.ID)) },
		"blob":          func() (any, error) { return of(tx.Blobs("E", r.thread.ID, r.message.ID)) },
		"item":          func() (any, error) { return of(tx.Item("E", r.item.ID)) },
		"chart_write":   func() (any, error) { return of(tx.WriteByKey("E", r.write.Key)) },
		"attempt":       func() (any, error) { return of(tx.Attempts("E", r.write.ID)) },
		"born":          func() (any, error) { return of(tx.BornByRef("E", r.born.Ref)) },
		"consent":       func() (any, error) { return of(tx.Consent("E", plainChannel, r.consent.Person)) },
		"probe":         func() (any, error) { return of(tx.LastProbe(r.probe.EHR)) },
		"adt_patient":   func() (any, error) { return of(tx.ADTPatients("E", r.patient.Identifiers[0].Reference)) },
		"adt_visit":     func() (any, error) { return of(tx.ADTVisit("E", r.visit.Reference)) },
		"inbox_session": func() (any, error) { return of(tx.Session("E", r.session.ID)) },
		"draft":         func() (any, error) { return of(tx.Draft("E", r.draft.ID)) },
	}
}

// wants is what the reads should give: what was put, but for what is documented not to be kept.
func (r *rows) wants() map[string]any {
	th, m, i, w := r.thread, r.message, r.item, r.write
	th.Version = 1
	m.Message.Attachments = withoutData(m.Message.Attachments)
	c := *m.Corrected
	c.Text, c.Attachments = "", withoutData(c.Attachments)
	m.Corrected = &c
	i.Was = i.State
	s, d := r.session, r.draft
	s.Version, d.Version = 1, 1
	w.Receipt.Echo, w.Receipt.Response = connector.Echo{}, nil
	return map[string]any{"event_kept": r.event, "thread": th, "message": m, "blob": map[string][]byte{r.blob: []byte(r.blob)}, "item": i,
		"chart_write": w, "attempt": []connector.Attempt{r.attempt}, "born": r.born, "consent": r.consent, "probe": r.probe,
		"adt_patient": []connector.ADTPatient{r.patient}, "adt_visit": r.visit, "inbox_session": s, "draft": d}
}

func openFull(t *testing.T, url string) (*DB, []*rows) {
	db := mustOpen(t, url, Options{})
	f := &filler{}
	all := []*rows{fullRows(f, 1), fullRows(f, 2)}
	for _, r := range all {
		err := db.Update(t.Context(), "s", func(tx connector.Tx) error {
			return errors.Join(tx.PutEHR(connector.EHRRow{ID: "E", Name: "main"}), r.put(tx))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return db, all
}

func TestEveryFieldComesBack(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db, all := openFull(t, url)
		err := db.View(t.Context(), func(tx connector.Tx) error {
			for _, r := range all {
				wants := r.wants()
				for name, read := range r.reads(tx) {
					got, err := read()
					if err != nil {
						t.Errorf("%s: %v", name, err)
					} else if d := cmp.Diff(wants[name], got); d != "" {
						t.Errorf("%s differs (-put +read):\n%s", name, d)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// spellings gives the forms a text may be hiding in.
func spellings(text string) map[string][]byte {
	wide := make([]byte, 0, 2*len(text))
	for _, u := range utf16.Encode([]rune(text)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	out := map[string][]byte{
		"plain": []byte(text), "UTF-16": wide, "hex": []byte(hex.EncodeToString([]byte(text))),
		"HEX": []byte(strings.ToUpper(hex.EncodeToString([]byte(text)))), "reversed": slices.Clone([]byte(text)),
	}
	slices.Reverse(out["reversed"])
	for shift := range 3 { // base64 says a byte differently in each of three places
		b := base64.StdEncoding.EncodeToString(append(make([]byte, shift), text...))
		out[fmt.Sprint("base64, ", shift)] = []byte(b[(shift*8+5)/6 : (shift+len(text))*8/6])
	}
	return out
}

// contents gives everything that is stored: the database's files, or every table as Postgres prints it.
func contents(t *testing.T, db *DB, url string) []byte {
	t.Helper()
	var all bytes.Buffer
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		for _, name := range []string{path, path + "-wal", path + "-shm"} {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(b)
		}
		return all.Bytes()
	}
	c, err := db.eng.view(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	texts := func(q string) (out []string) {
		err := c.rows(sq(q), nil, func(scan func(...any) error) error {
			var s string
			err := scan(&s)
			out = append(out, s)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, table := range texts(`SELECT tablename FROM pg_tables WHERE schemaname = 'public'`) {
		for _, row := range texts(`SELECT CAST(r AS TEXT) FROM ` + table + ` AS r`) {
			all.WriteString(row + "\n")
		}
	}
	return all.Bytes()
}

func TestNothingStandsInClear(t *testing.T) {
	for _, e := range engines[1:] {
		t.Run(e.name, func(t *testing.T) {
			url := e.url(t)
			db, _ := openFull(t, url)
			stored := contents(t, db, url)
			for form, b := range spellings(canary) {
				if n := bytes.Count(stored, b); n > 0 {
					at := bytes.Index(stored, b)
					t.Errorf("%d values are readable (%s), such as …%q", n, form, stored[max(0, at-40):min(len(stored), at+60)])
				}
			}
			// The search must be able to find: this name is in clear.
			if !bytes.Contains(stored, []byte(plainChannel)) {
				t.Error("the search does not even find what stands in clear")
			}
		})
	}
	b := base64.StdEncoding.EncodeToString([]byte("x" + canary + "yz"))
	if !strings.Contains(b, string(spellings(canary)["base64, 1"])) {
		t.Error("the search would not find base64")
	}
}

// A sealed value that is put into another row, or another column of its row, does not open.
func TestMovedValuesDoNotOpen(t *testing.T) {
	columns := map[string][]string{
		"event_kept": {"head", "body"}, "thread": {"ext", "info", "patient", "bound", "last_msg", "desk"},
		"message": {"message", "delivery", "retracted", "corrected"}, "item": {"detail"}, "chart_write": {"request", "receipt"},
		"attempt": {"answer", "request"}, "born": {"request"}, "consent": {"consent"}, "probe": {"outcome"}, "blob": {"name", "data"},
		"adt_patient": {"patient"}, "adt_visit": {"visit"}, "inbox_session": {"head", "body"}, "draft": {"head", "body"},
	}
	eachEngine(t, func(t *testing.T, url string) {
		db, all := openFull(t, url)
		for table, cols := range columns {
			for n, col := range cols {
				t.Run(table+"."+col, func(t *testing.T) {
					swap := sq(fmt.Sprintf(`UPDATE %[1]s SET %[2]s = CASE WHEN %[2]s = ?1 THEN ?2 ELSE ?1 END`, table, col))
					moves := map[string]*query{"from another row": swap}
					if len(cols) > 1 {
						moves["from another column"] = sq(fmt.Sprintf(`UPDATE %s SET %s = %s`, table, col, cols[(n+1)%len(cols)]))
					}
					for name, move := range moves {
						rollback := errors.New("seen")
						err := db.Update(t.Context(), "s", func(ct connector.Tx) error {
							var args []any
							if move == swap {
								err := ct.(*tx).c.rows(sq("SELECT "+col+" FROM "+table), nil, func(scan func(...any) error) error {
									var b []byte
									err := scan(&b)
									args = append(args, b)
									return err
								})
								if err != nil {
									return err
								}
							}
							n, err := ct.(*tx).execN(move, args...)
							if err != nil || n < 2 {
								return fmt.Errorf("%d rows: %w", n, err)
							}
							_, err = all[0].reads(ct)[table]()
							if !errors.Is(err, seal.ErrOpen) || !errors.As(err, new(*OpenError)) {
								return fmt.Errorf("read gives %v, want an OpenError of seal.ErrOpen", err)
							}
							if strings.Contains(err.Error(), canary) {
								return errors.New("the error repeats a value")
							}
							return rollback
						})
						if !errors.Is(err, rollback) {
							t.Errorf("%s: %v", name, err)
						}
					}
				})
			}
		}
	})
}

func TestAnotherKeysetOpensNothing(t *testing.T) {
	db, all := openFull(t, "sqlite::memory:")
	db.sealer = newSealer(t)
	err := db.View(t.Context(), func(tx connector.Tx) error { _, err := tx.Message("E", all[0].message.ID); return err })
	if !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("Message = %v, want seal.ErrUnknownKey", err)
	}
}
