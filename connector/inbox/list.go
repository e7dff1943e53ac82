package inbox

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
)

const (
	patientThreads = 100 // of one patient: those that wait, then the newest
	poolPage       = 25  // threads of a pool at once
	poolScan       = 200 // looked through for a filtered page at most
	poolCount      = 100 // counted at most
)

// Patient shows the launched patient's threads, those that wait before any others, and what the user has not sent. Errors: *Ended, *connector.Retry where the EHR
// cannot be asked, ErrNotFound where the session has no patient or the EHR does not open them to its user.
func (d *Desk) Patient(ctx context.Context, s *Session) (PatientView, error) {
	p, err := d.patient(ctx, s, s.Patient, "")
	if err != nil {
		return PatientView{}, err
	}
	e := d.o.EHRs[s.EHR]
	view := PatientView{Frame: d.frame(s, &p)}
	err = d.o.Store.View(ctx, func(tx connector.Tx) error {
		view.Threads = nil
		all, err := tx.PatientThreads(e.ID, s.Patient, patientThreads+1)
		if err != nil {
			return err
		}
		if view.More = len(all) > patientThreads; view.More {
			all = all[:patientThreads]
		}
		drafts, err := tx.PatientDrafts(e.ID, s.Patient)
		if err != nil {
			return err
		}
		for _, t := range all {
			if subject(t) != s.Patient {
				continue
			}
			l, err := d.line(tx, e, s, t, ofThread(drafts, t.ID))
			if err != nil {
				return err
			}
			view.Threads = append(view.Threads, l)
		}
		view.Drafts, err = d.unsent(tx, e, s, drafts, view.Frame.Banner)
		return err
	})
	if err != nil {
		return PatientView{}, err
	}
	slices.SortStableFunc(view.Threads, func(a, b ThreadLine) int {
		if waitsA, waitsB := a.Waits > 0, b.Waits > 0; waitsA != waitsB {
			return cmp.Compare(b.Waits, a.Waits)
		}
		return cmp.Or(cmp.Compare(a.Waits, b.Waits), b.Last.Compare(a.Last))
	})
	d.nameStaff(ctx, s, staffIn(view.Threads))
	if err := d.read(ctx, s, map[string]string{"act": "list"}, ids(view.Threads)...); err != nil {
		return PatientView{}, err
	}
	return view, nil
}

func ids(lines []ThreadLine) []string {
	out := make([]string, 0, len(lines))
	for _, l := range lines {
		out = append(out, l.ID)
	}
	return out
}

func ofThread(drafts []connector.DraftRow, thread string) []connector.DraftRow {
	var out []connector.DraftRow
	for _, r := range drafts {
		if r.Thread == thread {
			out = append(out, r)
		}
	}
	return out
}

// line shows a thread in a list; drafts are everybody's in it.
func (d *Desk) line(tx connector.Tx, e EHR, s *Session, t connector.Thread, drafts []connector.DraftRow) (ThreadLine, error) {
	c, err := d.contentOf(tx, e, t)
	if err != nil {
		return ThreadLine{}, err
	}
	pool, _ := e.pool(t.Desk.Pool)
	now := d.now()
	l := ThreadLine{ID: t.ID, Version: t.Version, Subject: t.Info.Subject, Topic: t.Info.Topic, Snippet: c.snippet, Last: newer(t.Desk.Last, c.last),
		Urgent: cmp.Or(t.Desk.Urgency, t.Info.Priority).Rank() > 0, Pool: cmp.Or(pool.Name, pool.ID), Holder: d.member(e, t.Desk.Holder),
		Mine: t.Desk.Holder != "" && s.is(t.Desk.Holder), Closed: t.Closed, Unfinished: c.unfinished, Stuck: c.stuck}
	for _, p := range c.people {
		l.With = append(l.With, Who{Key: p.Key(), Name: p.Name, Role: p.Role, Relationship: p.Relationship})
	}
	if !t.Desk.Need.IsZero() {
		l.Waits = max(now.Sub(t.Desk.Need), 1)
		if pool.SLA > 0 {
			l.AnswerBy = t.Desk.Need.Add(pool.SLA)
			l.Overdue = now.After(l.AnswerBy)
		}
	}
	for _, row := range drafts {
		switch {
		case row.Patient != subject(t): // written while the thread was somebody else's
		case row.User == s.User.Reference:
			l.Draft = l.Draft || row.SendAt.IsZero()
		case d.typing(row, now):
			l.Typing = append(l.Typing, d.member(e, row.User))
		}
	}
	return l, nil
}

// is says whether a reference names the session's user.
func (s *Session) is(ref string) bool {
	return s.User.Reference == ref || slices.Contains(s.User.Also, ref)
}

// typingFor is how long after the last word somebody counts as writing.
const typingFor = 10 * time.Second

func (d *Desk) typing(row connector.DraftRow, now time.Time) bool {
	return row.SendAt.IsZero() && now.Sub(row.UpdatedAt) < typingFor
}

// place is where a page of a pool's list goes on: by pool, since each has an order of its own.
type place map[string]connector.DeskPlace

func (p place) String() string {
	if len(p) == 0 {
		return ""
	}
	b, _ := json.Marshal(map[string]connector.DeskPlace(p)) // of these types it cannot fail
	return base64.RawURLEncoding.EncodeToString(b)
}

func readPlace(s string) (p place, err error) {
	p = place{}
	if s == "" {
		return p, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil {
		return nil, &Wrong{Field: "after", Text: "This page of the list cannot be found any more. Begin at its first page."}
	}
	return p, nil
}

// Pool shows what waits in the user's pools, and nothing while it is not known which those are. Errors as Patient; *Forbidden where the user is not in the pool.
func (d *Desk) Pool(ctx context.Context, s *Session, f PoolFilter) (PoolView, error) {
	e := d.o.EHRs[s.EHR]
	view := PoolView{Frame: d.frame(s, nil), Filter: f, Unknown: s.Unsure}
	if s.Patient != "" {
		return view, d.deny(ctx, s, "", "pool", &Forbidden{"This page belongs to one patient. Open Messages without a patient to see the pools."})
	}
	if f.Pool != "" && !s.InPool(f.Pool) && s.Unsure.IsZero() {
		return view, d.deny(ctx, s, "", "pool", &Forbidden{"You are not in this pool, so its messages are not shown."})
	}
	w, err := d.waiting(ctx, e, s, f)
	if err != nil {
		return view, err
	}
	known, err := d.Rights(ctx, s, w.patients())
	if view.Unasked = errors.As(err, new(*connector.Retry)); err != nil && !view.Unasked {
		return view, err
	}
	err = d.o.Store.View(ctx, func(tx connector.Tx) error {
		view.Threads, view.Hidden, view.Pools = nil, 0, nil
		for _, t := range w.threads {
			p, may := known[subject(t)]
			t, err := still(tx, t)
			switch {
			case !may || errors.Is(err, connector.ErrNotFound):
				view.Hidden++
				continue
			case err != nil:
				return err
			}
			drafts, err := tx.ThreadDrafts(e.ID, t.ID)
			if err != nil {
				return err
			}
			l, err := d.line(tx, e, s, t, drafts)
			if err != nil {
				return err
			}
			l.Patient = banner(p, true)
			view.Threads = append(view.Threads, l)
		}
		view.Pools, err = d.counted(tx, e, s)
		return err
	})
	if err != nil {
		return view, err
	}
	view.Next = w.next.String()
	d.nameStaff(ctx, s, staffIn(view.Threads))
	if err := d.read(ctx, s, map[string]string{"act": "list"}, ids(view.Threads)...); err != nil {
		return PoolView{}, err
	}
	return view, nil
}

// counted says how much waits in each of the user's pools.
func (d *Desk) counted(tx connector.Tx, e EHR, s *Session) ([]PoolChoice, error) {
	var out []PoolChoice
	for _, p := range e.Pools {
		if !s.InPool(p.ID) {
			continue
		}
		all, err := tx.PoolThreads(e.ID, p.ID, connector.DeskPlace{}, poolCount+1)
		if err != nil {
			return nil, err
		}
		out = append(out, PoolChoice{ID: p.ID, Name: cmp.Or(p.Name, p.ID), Waiting: min(len(all), poolCount), More: len(all) > poolCount})
	}
	return out, nil
}

// waiting is a page of what waits, in order.
type waiting struct {
	threads []connector.Thread
	next    place
}

func (w waiting) patients() []string {
	var out []string
	for _, t := range w.threads {
		out = append(out, subject(t))
	}
	return out
}

// waiting reads what waits in the pools asked for: urgent first, then by when it has to be answered. Each pool is read in its
// own order, and the first of all is taken each time.
func (d *Desk) waiting(ctx context.Context, e EHR, s *Session, f PoolFilter) (w waiting, err error) {
	from, err := readPlace(f.After)
	if err != nil {
		return w, err
	}
	now := d.now()
	err = d.o.Store.View(ctx, func(tx connector.Tx) error {
		w = waiting{next: place{}}
		var all []connector.Thread
		more := false
		for _, p := range e.Pools {
			if !s.InPool(p.ID) || f.Pool != "" && f.Pool != p.ID {
				continue
			}
			some, err := tx.PoolThreads(e.ID, p.ID, from[p.ID], poolScan)
			if err != nil {
				return err
			}
			more = more || len(some) == poolScan
			all = append(all, some...)
			if at, ok := from[p.ID]; ok {
				w.next[p.ID] = at
			}
		}
		slices.SortStableFunc(all, func(a, b connector.Thread) int {
			return cmp.Or(cmp.Compare(b.Desk.Urgency.Rank(), a.Desk.Urgency.Rank()), e.answerBy(a).Compare(e.answerBy(b)), cmp.Compare(a.ID, b.ID))
		})
		for n, t := range all {
			if len(w.threads) == poolPage || n == poolScan {
				more = true
				break
			}
			w.next[t.Desk.Pool] = t.Place()
			if e.takes(f, s, t, now) {
				w.threads = append(w.threads, t)
			}
		}
		if !more {
			w.next = nil
		}
		return nil
	})
	return w, err
}

func (e EHR) answerBy(t connector.Thread) time.Time {
	p, _ := e.pool(t.Desk.Pool)
	return t.Desk.Need.Add(p.SLA)
}

func (e EHR) takes(f PoolFilter, s *Session, t connector.Thread, now time.Time) bool {
	switch {
	case f.Mine && !s.is(t.Desk.Holder), f.Free && t.Desk.Holder != "", f.Late && !now.After(e.answerBy(t)):
		return false
	}
	return true
}

func newer(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
