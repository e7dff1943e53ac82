package bench

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/chartwire/chartwire/cmd/prove/figure"
)

const limitR10 = "<=0.10"

// calls is R10: requests to the EHR beyond the planned writes, for each exchange, in threads of 20 messages with delivery
// news, on a connection with tokens. What was planned is what the store has as filed writes of headers, exchanges and
// people. Told apart, and not in it: patients read again because the last read was too old, updates of a status and the
// read before each, everything about CommunicationRequests, tokens.
func (b *bench) calls(ctx context.Context) error {
	url, err := b.pg.database(ctx)
	if err != nil {
		return err
	}
	defer b.pg.drop(ctx, url)
	b.ehr.keeping()
	c, err := b.prepare("r10", setting{store: url, tokens: true})
	if err != nil {
		return err
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	threads := max(10*b.o.Seconds, 30) // of fewer, what is asked once for all of them is too large a part
	all, exchanges, err := eventsWithNews(threads, 20, b.prefix())
	if err == nil {
		err = sign(all, b.secret)
	}
	if err == nil {
		p := newPoster(c.public + "/channels/texting/events")
		_, err = p.pour(ctx, all)
		p.close()
	}
	if err == nil {
		err = c.filed(ctx, exchanges)
	}
	c.stop()
	if err != nil {
		return err
	}
	planned := 0
	err = b.pg.with(ctx, url, func(db *pgx.Conn) error {
		return db.QueryRow(ctx, `SELECT count(*) FROM chart_write w JOIN item i ON i.ehr_id = w.ehr_id AND i.id = w.item_id
			WHERE w.state = 'filed' AND i.kind IN ('header', 'exchange')`).Scan(&planned)
	})
	if err != nil {
		return err
	}
	n := b.ehr.counted()
	apart := n[callPatient] + n[callUpdate] + n[callRequest] + n[callToken]
	sent := 0
	for _, k := range n {
		sent += k
	}
	b.o.Book.Add(figure.Figure{ID: "R10", Value: float64(sent-apart-planned) / float64(exchanges), Limit: limitR10, Unit: "calls per exchange",
		Note: fmt.Sprintf("%d exchanges, %d calls, %d planned writes; beyond: %d patient searches, %d about people, %d metadata, %d others; apart: %d patient reads, %d of status updates, %d about requests, %d for tokens",
			exchanges, sent, planned, n[callMatch], n[callPeople], n[callMetadata], n[callOther], n[callPatient], n[callUpdate], n[callRequest], n[callToken])})
	return nil
}

// keeping makes the stub remember what it is sent, so that it can be read and updated.
func (s *stub) keeping() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep = true
}
