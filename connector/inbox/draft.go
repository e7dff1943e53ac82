package inbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/chartwire/chartwire/connector"
)

const maxText = 20_000 // characters; the event contract's, which an echo has to fit

// draftBody is what a draft's row seals.
type draftBody struct {
	Channel  string      `json:"channel,omitempty"`
	Topic    string      `json:"topic,omitempty"`
	To       []string    `json:"to,omitempty"`
	Text     string      `json:"text,omitempty"`
	Urgent   bool        `json:"urgent,omitempty"`
	Template string      `json:"template,omitempty"`
	Files    []draftFile `json:"files,omitempty"`
	Named    int         `json:"named,omitempty"` // files that ever had a name: none is given again
	Problem  string      `json:"problem,omitempty"`
	Tries    int         `json:"tries,omitempty"` // how often it was given back

	// What it is sent with, decided when it is given to be sent.
	Session    string                  `json:"session,omitempty"`
	Sender     connector.Participant   `json:"sender,omitzero"`
	Recipients []connector.Participant `json:"recipients,omitempty"`
	Encounter  string                  `json:"encounter,omitempty"`
	Patient    connector.PatientKey    `json:"patient,omitzero"` // of a reply its reference alone
	Heard      *int                    `json:"heard,omitempty"`  // of a reply, ingest.Draft's
}

type draftFile struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// String keeps what somebody writes out of logs.
func (draftBody) String() string { return "[phi]" }

func readDraft(row connector.DraftRow) (b draftBody, err error) {
	if err := json.Unmarshal(row.Body, &b); err != nil {
		return b, fmt.Errorf("inbox: what draft %s keeps cannot be read", row.ID)
	}
	return b, nil
}

func (b draftBody) files() []File {
	var out []File
	for _, f := range b.Files {
		out = append(out, File{ID: f.ID, Name: f.Name, Type: f.Type, Size: f.Size, SHA256: f.SHA256, Image: shownTypes[f.Type]})
	}
	return out
}

func (b draftBody) view(row connector.DraftRow, people []connector.Participant, patient Banner) DraftView {
	if len(people) == 0 {
		people = b.Recipients
	}
	return DraftView{ID: row.ID, Version: row.Version, Thread: row.Thread, Channel: b.Channel, Topic: b.Topic, To: b.To,
		ReadBy: readBy(people, b.To, patient.Name), Text: b.Text, Files: b.files(), Saved: row.UpdatedAt, SendAt: row.SendAt,
		Urgent: b.Urgent, Template: b.Template, Problem: b.Problem, Sending: row.Sending}
}

// target is what a draft is about: checked to be the session's.
type target struct {
	thread  connector.Thread // zero of a new message
	ref     string           // of its patient
	patient Banner
	key     connector.PatientKey // of a new message
	channel string
	first   string // id of the draft that the composer begins
}

// aim finds what a composer is for, and holds it to the session, patient and thread it was made for. Errors: *Forbidden,
// *Unbound, *Wrong, and those of Thread; each refusal audited.
func (d *Desk) aim(ctx context.Context, s *Session, in DraftIn) (to target, err error) {
	if err := d.writer(ctx, s, ""); err != nil {
		return to, err
	}
	e := d.o.EHRs[s.EHR]
	var p connector.Patient
	if in.Thread != "" {
		if to.thread, p, err = d.open(ctx, s, in.Thread); err != nil {
			return to, err
		}
		to.channel = to.thread.Channel
	} else {
		if p, err = d.patient(ctx, s, s.Patient, ""); err != nil {
			return to, err
		}
		to.channel = in.Channel
	}
	to.ref, to.patient = p.Reference, banner(p, s.showsBanner())
	var ok bool
	if to.first, ok = d.bound(s, to.ref, to.thread.ID, in.Bind); !ok {
		return to, d.deny(ctx, s, to.thread.ID, "unbound", &Unbound{})
	}
	if in.Thread == "" {
		if !d.carries(e, in.Channel) {
			return to, &Wrong{"channel", "Choose the channel this message goes by."}
		}
		if in.Topic != "" && !slices.Contains(topics, in.Topic) {
			return to, &Wrong{"topic", "Choose one of the topics."}
		}
	}
	return to, nil
}

// Save keeps what a composer holds. Errors: those of Thread; *Forbidden; *Unbound; *Gone; *Stale where the draft was changed in another
// window; *TooLate where it is being sent; *Wrong where something in it cannot be kept: nothing of this call was then.
func (d *Desk) Save(ctx context.Context, s *Session, in DraftIn) (DraftView, error) {
	to, err := d.aim(ctx, s, in)
	if err != nil {
		return DraftView{}, err
	}
	return d.save(ctx, s, in, to)
}

func (d *Desk) save(ctx context.Context, s *Session, in DraftIn, to target) (view DraftView, err error) {
	if !utf8.ValidString(in.Text) || utf8.RuneCountInString(in.Text) > maxText {
		return view, &Wrong{"text", "A message has at most 20,000 characters. Shorten it, or send it as two."}
	}
	added, err := examined(in.AddFiles)
	if err != nil {
		return view, d.deny(ctx, s, in.Thread, "attachment", err)
	}
	e, now := d.o.EHRs[s.EHR], d.now()
	err = d.update(ctx, s.EHRID, s.User.Reference, func(tx connector.Tx) error {
		row, b, err := d.goesOnWith(tx, s, in, to)
		if err != nil {
			return err
		}
		wasTyping := !row.UpdatedAt.IsZero() && d.typing(row, now)
		b.Channel, b.Topic, b.To, b.Text, b.Urgent, b.Template = to.channel, in.Topic, in.To, in.Text, in.Urgent, in.Template
		b.Recipients, b.Problem = nil, ""
		b.Files = slices.DeleteFunc(b.Files, func(f draftFile) bool { return slices.Contains(in.DropFiles, f.ID) })
		if err := keep(tx, row, &b, in.DropFiles, added); err != nil {
			return err
		}
		row.UpdatedAt = now
		if err := putDraft(tx, &row, b); err != nil {
			return err
		}
		people, err := d.people(tx, e, to)
		if err != nil {
			return err
		}
		view = b.view(row, participants(people), to.patient)
		if wasTyping {
			return nil
		}
		return tx.BumpThread(e.ID, in.Thread)
	})
	return view, err
}

// goesOnWith reads the draft that a composer goes on with, or begins. A composer that does not know its draft yet, posted once more, goes
// on with what it has begun.
func (d *Desk) goesOnWith(tx connector.Tx, s *Session, in DraftIn, to target) (connector.DraftRow, draftBody, error) {
	row, b, err := d.own(tx, s, cmp.Or(in.ID, to.first))
	switch {
	case in.ID == "" && errors.Is(err, connector.ErrNotFound):
		return connector.DraftRow{ID: to.first, EHR: s.EHRID, Thread: in.Thread, Patient: to.ref, User: s.User.Reference}, b, nil
	case err != nil:
		return row, b, err
	case row.Thread != in.Thread || row.Patient != to.ref:
		return row, b, connector.ErrNotFound
	case !row.SendAt.IsZero():
		return row, b, &TooLate{}
	case in.ID != "" && row.Version != in.Version:
		return row, b, &Stale{}
	}
	return row, b, nil
}

// own reads a draft of the session's user; anybody else's does not exist: *Gone.
func (d *Desk) own(tx connector.Tx, s *Session, id string) (connector.DraftRow, draftBody, error) {
	row, err := tx.Draft(s.EHRID, id)
	if errors.Is(err, connector.ErrNotFound) || err == nil && (row.User != s.User.Reference || s.Patient != "" && row.Patient != s.Patient) {
		err = &Gone{}
	}
	if err != nil {
		return row, draftBody{}, err
	}
	b, err := readDraft(row)
	return row, b, err
}

func putDraft(tx connector.Tx, row *connector.DraftRow, b draftBody) (err error) {
	if row.Body, err = json.Marshal(b); err != nil {
		return fmt.Errorf("inbox: what draft %s keeps cannot be written", row.ID)
	}
	return tx.PutDraft(row)
}

// upload is a file that was looked into.
type upload struct {
	draftFile
	data []byte
}

func examined(files []Upload) ([]upload, error) {
	var out []upload
	for _, u := range files {
		kind, name, wrong := examine(u)
		if wrong != nil {
			return nil, wrong
		}
		out = append(out, upload{draftFile{Name: name, Type: kind, Size: int64(len(u.Data)), SHA256: connector.Hash(u.Data)}, u.Data})
	}
	return out, nil
}

// keep puts files beside a draft, and takes the bytes of those that were dropped away. A file that is there already, as of a form
// that was posted twice, is there once.
func keep(tx connector.Tx, row connector.DraftRow, b *draftBody, dropped []string, added []upload) error {
	added = slices.DeleteFunc(added, func(u upload) bool {
		return slices.ContainsFunc(b.Files, func(f draftFile) bool { return f.Name == u.Name && f.SHA256 == u.SHA256 })
	})
	if len(b.Files)+len(added) > maxFiles {
		return &Wrong{"files", "A message has at most 10 attachments."}
	}
	for n := 1; n <= b.Named; n++ {
		if id := "f" + strconv.Itoa(n); slices.Contains(dropped, id) {
			if err := tx.PutBlob(row.EHR, "", row.ID, id, []byte{}); err != nil {
				return err
			}
		}
	}
	for _, u := range added {
		b.Named++
		u.ID = "f" + strconv.Itoa(b.Named)
		if err := tx.PutBlob(row.EHR, "", row.ID, u.ID, u.data); err != nil {
			return err
		}
		b.Files = append(b.Files, u.draftFile)
	}
	return nil
}

// people is whom a draft can be addressed to.
func (d *Desk) people(tx connector.Tx, e EHR, to target) ([]addressee, error) {
	if to.thread.ID == "" {
		key := to.key
		key.Reference = cmp.Or(key.Reference, to.ref)
		return d.reachable(tx, e, to.channel, key)
	}
	t, err := tx.Thread(e.ID, to.thread.ID)
	if err != nil {
		return nil, err
	}
	c, err := d.contentIn(tx, e, t)
	if err != nil {
		return nil, err
	}
	return addressees(tx, d.o.Channels[t.Channel], t, c.people)
}

// Discard removes a draft. *TooLate where it was given to be sent: undo that first.
func (d *Desk) Discard(ctx context.Context, s *Session, draft string) error {
	return d.update(ctx, s.EHRID, s.User.Reference, func(tx connector.Tx) error {
		row, _, err := d.own(tx, s, draft)
		switch {
		case errors.Is(err, connector.ErrNotFound):
			return nil
		case err != nil:
			return err
		case !row.SendAt.IsZero():
			return &TooLate{}
		}
		if err := tx.DropDraft(row.EHR, row.ID); err != nil {
			return err
		}
		if d.typing(row, d.now()) {
			return tx.BumpThread(row.EHR, row.Thread)
		}
		return nil
	})
}

// patientKey asks the EHR, with the connection's own rights, how the channels know the patient. ErrNotFound where there is no
// active patient; *connector.Retry where it cannot be asked.
func (d *Desk) patientKey(ctx context.Context, e EHR, ref string) (connector.PatientKey, error) {
	if d.o.Patient == nil {
		return connector.PatientKey{}, connector.ErrNotFound
	}
	key, err := d.o.Patient(ctx, e.ID, ref)
	switch {
	case errors.Is(err, connector.ErrNoMatch):
		return key, connector.ErrNotFound
	case err != nil:
		return key, &connector.Retry{Reason: connector.EHRUnavailable, Cause: err}
	}
	return key, nil
}
