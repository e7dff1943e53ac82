package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// Summary is the line chartwire demo --once --json ends with. The last four counts but Seconds are read back from the EHR.
type Summary struct {
	Accepted     int     `json:"accepted"`
	Filed        int     `json:"filed"`
	Sent         int     `json:"sent"`
	Held         int     `json:"held"`
	NotDue       int     `json:"not_due"`
	Parked       int     `json:"parked"`
	Unknown      int     `json:"unknown"`
	Late         int     `json:"late"`
	OnChart      int     `json:"on_chart"`
	Duplicates   int     `json:"duplicates"`
	OutOfOrder   int     `json:"out_of_order"`
	WrongPatient int     `json:"wrong_patient"`
	Transcripts  int     `json:"transcripts,omitempty"` // of threads, that stand on the chart: with --per thread
	Seconds      float64 `json:"seconds"`
}

// clean says whether the chart is what was sent.
func (s Summary) clean() error {
	if s.Duplicates != 0 || s.OutOfOrder != 0 || s.WrongPatient != 0 || s.Unknown != 0 || s.OnChart+s.NotDue+s.Held+s.Parked != s.Accepted {
		return ErrNotClean
	}
	return nil
}

// summary reads our tallies and the EHR's chart, and compares the chart with what was sent.
func (r *run) summary(ctx context.Context) (Summary, error) {
	var s Summary
	t, err := r.tallies(ctx)
	if err != nil {
		return s, err
	}
	for _, n := range t {
		s.Accepted += n
	}
	s.Filed, s.Held, s.NotDue, s.Parked = t[connector.Filed], t[connector.Held]+t[connector.Waiting], t[connector.NotDue], t[connector.Parked]
	s.Unknown = t[connector.Unknown] + t[connector.Filing]
	unfinished, err := r.parkedFollowUps(ctx)
	if err != nil {
		return s, err
	}
	s.Filed, s.Parked = s.Filed-unfinished, s.Parked+unfinished
	s.Sent = len(r.platform.Received())
	late, err := r.late(ctx)
	if err != nil {
		return s, err
	}
	s.Late = len(late)
	x := r.expect(late)
	if r.o.Expect != "" {
		if err := x.write(r.o.Expect); err != nil {
			return s, err
		}
	}
	c, err := r.kind.read(r, ctx)
	if err != nil {
		return s, fmt.Errorf("the chart could not be read back: %w", err)
	}
	for _, th := range x.Threads {
		if err := compare(ctx, c, th, r.refs.Patients[th.Patient], &s); err != nil {
			return s, err
		}
	}
	s.Duplicates += c.strays(x)
	if of, ok := c.(interface{ transcripts() int }); ok {
		s.Transcripts = of.transcripts()
	}
	s.Seconds = float64(r.clock.Now().Sub(r.began).Milliseconds()) / 1000
	return s, nil
}

// parkedFollowUps counts exchanges whose first version is filed and whose correction or retraction is parked: the chart
// does not show their newest state, so they count as parked.
func (r *run) parkedFollowUps(ctx context.Context) (int, error) {
	n := 0
	err := r.app.Store().View(ctx, func(tx connector.Tx) error {
		n = 0
		items, err := tx.OpenItems("", []connector.ItemState{connector.Parked}, 1_000_000)
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, i := range items {
			if (i.Kind != connector.ItemCorrection && i.Kind != connector.ItemRetraction) || seen[i.Thread+i.MsgKey] {
				continue
			}
			seen[i.Thread+i.MsgKey] = true
			m, err := tx.MessageByExt(i.EHR, i.Thread, i.MsgKey, 1)
			if errors.Is(err, connector.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			of, err := tx.ItemsOf(i.EHR, m.Thread, m.ID)
			if err != nil {
				return err
			}
			for _, x := range of {
				if x.Kind == connector.ItemExchange && x.State == connector.Filed {
					n++
				}
			}
		}
		return nil
	})
	return n, err
}

// late lists the messages our tables say were filed after later ones of their thread; their order is apart.
func (r *run) late(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	err := r.app.Store().View(ctx, func(tx connector.Tx) error {
		clear(out)
		items, err := tx.OpenItems("", []connector.ItemState{connector.Filed}, 10_000_000)
		if err != nil {
			return err
		}
		for _, i := range items {
			if !i.Late || i.Kind != connector.ItemExchange {
				continue
			}
			t, err := tx.Thread(i.EHR, i.Thread)
			if err != nil {
				return err
			}
			out[t.Ext+"/"+i.MsgKey] = true
		}
		return nil
	})
	return out, err
}

// chart is what an EHR shows of the exchanges, read with a reader of its own.
type chart interface {
	// entries are what stands for a revision of a message, oldest first.
	entries(thread string, m *entry) []shown
	// strays counts what is there twice, or for no reason, beside them.
	strays(expectation) int
}

// shown is one entry of a chart.
type shown interface {
	patient() string
	created() time.Time // of its first version
	// shows says whether the entry has the message's exact words and files, and stands as retracted when it was taken back.
	shows(ctx context.Context, m *entry) (bool, error)
}

// readSandbox reads the chart of the sandbox's FHIR server, or of the server at EHRURL.
func (r *run) readSandbox(ctx context.Context) (chart, error) {
	if r.sandbox != nil {
		r.sandbox.EndFaults()
	}
	return r.readFHIR(ctx)
}

// readEngine reads what the interface engine keeps.
func (r *run) readEngine(context.Context) (chart, error) {
	r.engine.EndFaults()
	return documentsOf(r.engine.Documents()), nil
}

// compare holds one thread against the chart.
func compare(ctx context.Context, c chart, t *thread, patient string, s *Summary) error {
	newest := map[string]*entry{}
	var before shown
	for _, m := range t.Messages {
		found := c.entries(t.ID, m)
		if len(found) == 0 && m.Retracted && m.Revision > 1 {
			continue // it was retracted before its correction was there, and what is there has to say so
		}
		newest[m.ID] = m
		if len(found) == 0 {
			newest[m.ID] = nil
			continue
		}
		s.Duplicates += len(found) - 1
		o := found[0]
		if o.patient() != patient {
			s.WrongPatient++
		}
		same, err := o.shows(ctx, m)
		if err != nil {
			return err
		}
		if !same || o.patient() != patient {
			newest[m.ID] = nil
		}
		if m.Revision == 1 && !m.Late {
			if before != nil && o.created().Before(before.created()) {
				s.OutOfOrder++
			}
			before = o
		}
	}
	for _, m := range newest {
		if m != nil {
			s.OnChart++
		}
	}
	return nil
}
