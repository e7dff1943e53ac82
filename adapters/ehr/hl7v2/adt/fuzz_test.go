package adt

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/connector"
)

// undone is a store in which nothing stays: each commit is made twice, as where a message comes again, and then taken back. What a
// message does depends on itself alone, and no disk is waited for.
type undone struct {
	connector.Store
	commits int
}

var errUndone = errors.New("the commit is taken back")

func (u *undone) Update(ctx context.Context, shard string, fn func(connector.Tx) error) error {
	err := u.Store.Update(ctx, shard, func(tx connector.Tx) error {
		if err := errors.Join(fn(tx), fn(tx)); err != nil {
			return err
		}
		return errUndone
	})
	if errors.Is(err, errUndone) {
		u.commits++
		return nil
	}
	return err
}

// FuzzHandle: no bytes break the feed. Each message that can be answered is committed with its audit row, and the answers can be
// read, answer that message, and are as many and of the kind that were asked for.
func FuzzHandle(f *testing.F) {
	h := newHouse(f)
	for _, m := range [][]byte{h.news("A04", "09:00", "", ann, pv1), h.news("A04", "09:00", "", bob)} {
		h.tell(m)
	}
	for _, event := range hl7.ADTEvents() {
		f.Add(h.news(event, "10:00", "C1", ann, "MRG|300^^^COUNTY^MR", pv1))
		f.Add(h.news(event, "10:00", "C1", bob, "MRG|100^^^COUNTY^MR", pv1))
	}
	for _, m := range []string{
		string(h.news("A05", "10:00", "C1", ann)), strings.Replace(string(h.news("A08", "10:00", "C1", ann)), "|C1|", "||", 1),
		strings.Replace(string(h.news("A08", "10:00", "C1", ann)), "|2.5.1", "|2.5.1|||AL|AL", 1), strings.Replace(string(h.news("A05", "10:00", "C1", ann)), "|2.5.1", "|2.5.1|||AL|AL", 1), "",
	} {
		f.Add([]byte(m))
	}
	store := &undone{Store: h.store}
	feed := h.over(store)
	f.Fuzz(func(t *testing.T, message []byte) {
		store.commits = 0
		answers, err := feed.Handle(t.Context(), message)
		if store.commits != 1 {
			t.Fatalf("%d commits", store.commits)
		}
		if err != nil {
			if !errors.Is(err, errNotAnswerable) || len(answers) != 0 {
				t.Fatalf("%d answers, %v", len(answers), err)
			}
			return
		}
		sane(t, message, answers)
	})
}

// sane holds answers to the message they are for.
func sane(t *testing.T, message []byte, answers [][]byte) {
	asked, err := hl7.ParseHeader(message, hl7.Options{})
	if asked.ControlID == "" {
		t.Fatalf("what has no control id was answered (%v)", err)
	}
	if most := map[bool]int{false: 1, true: 2}[asked.Enhanced()]; len(answers) > most || !asked.Enhanced() && len(answers) != 1 {
		t.Errorf("%d answers", len(answers))
	}
	for _, raw := range answers {
		m, err := hl7.Parse(raw, hl7.Options{})
		if err != nil {
			t.Fatal(err)
		}
		a, err := hl7.ReadAck(m)
		if err != nil {
			t.Fatal(err)
		}
		if fact, _ := a.Code.Fact(); a.ControlID != asked.ControlID || fact.Positive != (len(a.Errors) == 0) || fact.Commit && !asked.Enhanced() {
			t.Errorf("%s of %q with %d errors, to %q", a.Code, a.ControlID, len(a.Errors), asked.ControlID)
		}
	}
}
