package store

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/chartwire/chartwire/connector"
)

var (
	itemCols = `SELECT ehr_id, id, thread_id, lane, kind, message_id, state, reason, channel, direction, sequence, sent_at,
		revision, committed_at, changed_at, next_at, first_tried, tries, late, detail FROM item `
	itemByID   = sqRow(itemCols + `WHERE ehr_id = ?1 AND id = ?2`)
	itemInsert = sq(`INSERT INTO item (ehr_id, id, thread_id, lane, kind, message_id, state, reason, channel, direction,
		sequence, sent_at, revision, committed_at, changed_at, next_at, first_tried, tries, late, urgency, detail)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)`)
	// Kind, channel and direction never change: the tallies go by them.
	itemUpdate = sqOne(`UPDATE item SET thread_id = ?3, lane = ?4, message_id = ?5, state = ?6, reason = ?7, sequence = ?8,
		sent_at = ?9, revision = ?10, committed_at = ?11, changed_at = ?12, next_at = ?13, first_tried = ?14, tries = ?15,
		late = ?16, urgency = ?17, detail = ?18
		WHERE ehr_id = ?1 AND id = ?2 AND state = ?19 AND kind = ?20 AND channel = ?21 AND direction = ?22`)

	// These two name the states as the partial indexes do.
	itemsOfLane = sq(itemCols + `WHERE ehr_id = ?1 AND thread_id = ?2 AND lane = ?3
		AND state IN ('waiting', 'held', 'filing', 'unknown') ORDER BY committed_at, id`)
	itemsOpen = sq(itemCols + `WHERE ehr_id = ?1 AND state = ?2 AND state NOT IN ('filed', 'not_due')
		ORDER BY committed_at, id LIMIT ?3`)
	itemsClosed    = sq(itemCols + `WHERE ehr_id = ?1 AND state = ?2 ORDER BY committed_at, id LIMIT ?3`)
	itemsOfMessage = sq(itemCols + `WHERE ehr_id = ?1 AND thread_id = ?2 AND message_id = ?3 ORDER BY committed_at, id`)
	itemsOfThread  = sq(itemCols + `WHERE ehr_id = ?1 AND thread_id = ?2 ORDER BY committed_at, id`)
)

// itemDetail is what of an item is sealed.
type itemDetail struct {
	MsgKey   string               `json:",omitempty"`
	Owner    string               `json:",omitempty"`
	Priority connector.Priority   `json:",omitempty"`
	Detail   connector.ItemDetail `json:",omitzero"`
}

var knownStates = map[connector.ItemState]bool{
	connector.Waiting: true, connector.Held: true, connector.Filing: true, connector.Filed: true, connector.Unknown: true,
	connector.Parked: true, connector.NotDue: true,
}

var knownReasons = func() map[connector.Reason]bool {
	m := map[connector.Reason]bool{"": true}
	for _, r := range connector.Reasons() {
		m[r] = true
	}
	return m
}()

var knownDirections = map[connector.Direction]bool{
	"": true, connector.FromPatient: true, connector.ToPatient: true, connector.Internal: true,
}

// checkWords refuses words that are not ours: they stand in clear, so nothing a platform wrote may pass as one.
func checkWords(i *connector.Item) error {
	switch {
	case !knownStates[i.State]:
		return fmt.Errorf("store: item %s has a state that is not one of connector.ItemState", i.ID)
	case !knownReasons[i.Reason]:
		return fmt.Errorf("store: item %s has a reason that is not one of connector.Reason", i.ID)
	case !knownDirections[i.Direction]:
		return fmt.Errorf("store: item %s has a direction that is not one of connector.Direction", i.ID)
	}
	return nil
}

func itemPlace(i *connector.Item) place { return place{i.EHR, i.Thread, "item", i.ID} }

// PutItem is connector.Tx. An update keeps kind, channel and direction as they are.
func (t *tx) PutItem(i *connector.Item) error {
	if err := checkWords(i); err != nil {
		return err
	}
	detail, err := t.seal(itemPlace(i), "detail", itemDetail{i.MsgKey, i.Owner, i.Priority, i.Detail})
	if err != nil {
		return err
	}
	if i.Was == "" {
		err = t.exec(itemInsert, i.EHR, i.ID, i.Thread, string(i.Lane), string(i.Kind), i.Message, string(i.State),
			string(i.Reason), i.Channel, string(i.Direction), i.Sequence, micros(i.SentAt), int64(i.Revision),
			micros(i.CommittedAt), micros(i.ChangedAt), micros(i.NextAt), micros(i.FirstTried), int64(i.Tries), bit(i.Late),
			int64(i.Priority.Rank()), detail)
	} else {
		var n int64
		n, err = t.execN(itemUpdate, i.EHR, i.ID, i.Thread, string(i.Lane), i.Message, string(i.State), string(i.Reason),
			i.Sequence, micros(i.SentAt), int64(i.Revision), micros(i.CommittedAt), micros(i.ChangedAt), micros(i.NextAt),
			micros(i.FirstTried), int64(i.Tries), bit(i.Late), int64(i.Priority.Rank()), detail, string(i.Was),
			string(i.Kind), i.Channel, string(i.Direction))
		if err == nil && n == 0 {
			return fmt.Errorf("store: item %s is no longer %s: %w", i.ID, i.Was, connector.ErrFenced)
		}
	}
	if err != nil {
		return err
	}
	t.count(i)
	i.Was = i.State
	return nil
}

func readItem(t *tx, scan func(...any) error) (connector.Item, error) {
	var (
		i                                           connector.Item
		lane, kind, state, reason, direction        string
		sent, committed, changed, next, first, late int64
		revision, tries                             int64
		sealed                                      []byte
		d                                           itemDetail
	)
	err := scan(&i.EHR, &i.ID, &i.Thread, &lane, &kind, &i.Message, &state, &reason, &i.Channel, &direction, &i.Sequence,
		&sent, &revision, &committed, &changed, &next, &first, &tries, &late, &sealed)
	if err != nil {
		return i, err
	}
	i.Lane, i.Kind, i.State, i.Was = connector.LaneKind(lane), connector.ItemKind(kind), connector.ItemState(state), connector.ItemState(state)
	i.Reason, i.Direction = connector.Reason(reason), connector.Direction(direction)
	i.SentAt, i.CommittedAt, i.ChangedAt = fromMicros(sent), fromMicros(committed), fromMicros(changed)
	i.NextAt, i.FirstTried = fromMicros(next), fromMicros(first)
	i.Revision, i.Tries, i.Late = int(revision), int(tries), late == 1
	err = t.open(itemPlace(&i), "detail", sealed, &d)
	i.MsgKey, i.Owner, i.Priority, i.Detail = d.MsgKey, d.Owner, d.Priority, d.Detail
	return i, err
}

func (t *tx) Item(ehr, id string) (connector.Item, error) { return one(t, readItem, itemByID, ehr, id) }

func (t *tx) LaneItems(l connector.Lane) ([]connector.Item, error) {
	return many(t, readItem, itemsOfLane, l.EHR, l.Thread, string(l.Kind))
}

func (t *tx) ItemsOf(ehr, thread, message string) ([]connector.Item, error) {
	if message == "" {
		return nil, nil
	}
	return many(t, readItem, itemsOfMessage, ehr, thread, message)
}

func (t *tx) ThreadItems(ehr, thread string) ([]connector.Item, error) {
	return many(t, readItem, itemsOfThread, ehr, thread)
}

// OpenItems is connector.Tx. A limit of 0 or less gives all.
func (t *tx) OpenItems(ehr string, states []connector.ItemState, limit int) ([]connector.Item, error) {
	if limit <= 0 {
		limit = 1 << 31
	}
	ehrs := []string{ehr}
	if ehr == "" {
		var err error
		if ehrs, err = t.ehrs(); err != nil {
			return nil, err
		}
	}
	var out []connector.Item
	for _, e := range ehrs {
		for _, s := range states {
			q := itemsOpen
			if s == connector.Filed || s == connector.NotDue {
				q = itemsClosed
			}
			some, err := many(t, readItem, q, e, string(s), int64(limit))
			if err != nil {
				return nil, err
			}
			out = append(out, some...)
		}
	}
	slices.SortFunc(out, func(a, b connector.Item) int {
		return cmp.Or(a.CommittedAt.Compare(b.CommittedAt), cmp.Compare(a.ID, b.ID))
	})
	return out[:min(limit, len(out))], nil
}
