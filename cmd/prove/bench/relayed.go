package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chartwire/chartwire/cmd/prove/figure"
)

// limits of what is delivered. R1 and R14 are ratchets: R1 only goes up and R14 only down. Calibrated on 28 November 2026 on
// two cores (AMD EPYC) with nothing else scheduled, gate, audit and seal on: 171 filed/s, 0.0420 of the relay, 52.3 times its
// processor time; a fifth is left for other machines.
const (
	limitR1  = ">=0.033"
	limitR14 = "<=60"
	limitR11 = "<=1.0"
)

// volume is how many exchanges one measurement of a pair files, in threads of ten.
func (b *bench) volume() (threads, messages int) { return 20 * b.o.Seconds, 10 }

// course is one way of events to the EHR, through the connector or through the relay.
type course struct {
	rate, cpu []float64 // exchanges a second; processor seconds for 1,000 of them
}

// delivered is R1 and R14: the same conversations to the same EHR through the connector, on Postgres, with gate, audit and
// seal on, and through the bare relay. The EHR answers at once: with any delay of its own both would be bound by it and
// alike. A measurement ends for the connector when the last receipt is committed, for the relay when the EHR has answered.
func (b *bench) delivered(ctx context.Context) error {
	db, err := b.pg.database(ctx)
	if err != nil {
		return err
	}
	defer b.pg.drop(ctx, db)
	c, err := b.prepare("r1", setting{store: db})
	if err != nil {
		return err
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	defer c.stop()
	file, all, err := b.learn(ctx, c)
	if err != nil {
		return err
	}
	r, err := startRelay(file, b.ehr.base)
	if err != nil {
		return err
	}
	defer r.stop()
	filed := len(all)
	ours, theirs := &course{}, &course{}
	through := newPoster(c.public + "/channels/texting/events")
	defer through.close()
	past := newPoster(r.url)
	defer past.close()
	connected := func() (float64, error) {
		threads, messages := b.volume()
		fresh, err := events(threads, messages, b.prefix())
		if err != nil {
			return 0, err
		}
		filed += len(fresh)
		used := func() (time.Duration, error) {
			a, err := cpuOf(c.pid())
			if err != nil {
				return 0, err
			}
			p, err := b.pg.cpu()
			return a + p, err
		}
		return b.course(ctx, ours, through, fresh, used, func() error { return c.filed(ctx, filed) })
	}
	var often []event // processor time is counted in hundredths of a second, of which the relay takes a few for all of them
	for range 10 {
		often = append(often, all...)
	}
	relayed := func() (float64, error) {
		return b.course(ctx, theirs, past, often, func() (time.Duration, error) { return cpuOf(r.cmd.Process.Pid) }, func() error { return nil })
	}
	if _, err := relayed(); err != nil { // warm
		return err
	}
	*theirs = course{}
	p, err := take(b.o.Pairs, func(p *pairs) bool { return p.figure("R1", limitR1, "", "", false).Verdict() == figure.OK }, connected, relayed)
	if err != nil {
		return err
	}
	b.o.Book.Add(p.figure("R1", limitR1, "filed/s", "relayed/s", true))
	n := len(p.ours)
	cpu := &pairs{ours.cpu[len(ours.cpu)-n:], theirs.cpu[len(theirs.cpu)-n:]}
	b.o.Book.Add(cpu.figure("R14", limitR14, "CPU-s per 1,000", "of the relay", false))
	return nil
}

// course posts events and waits until they have come through.
func (b *bench) course(ctx context.Context, k *course, p *poster, all []event, used func() (time.Duration, error), through func() error) (float64, error) {
	if err := sign(all, b.secret); err != nil {
		return 0, err
	}
	before, err := used()
	if err != nil {
		return 0, err
	}
	start := now()
	if _, err := p.pour(ctx, all); err != nil {
		return 0, err
	}
	if err := through(); err != nil {
		return 0, err
	}
	took := now().Sub(start)
	after, err := used()
	if err != nil {
		return 0, err
	}
	rate := float64(len(all)) / took.Seconds()
	k.rate = append(k.rate, rate)
	k.cpu = append(k.cpu, (after-before).Seconds()*1000/float64(len(all)))
	return rate, nil
}

// learn files the conversations once through the connector, which warms it, and writes down what the EHR was sent for
// each event: the relay's requests.
func (b *bench) learn(ctx context.Context, c *served) (string, []event, error) {
	threads, messages := b.volume()
	all, err := events(threads, messages, b.prefix())
	if err != nil {
		return "", nil, err
	}
	if err := sign(all, b.secret); err != nil {
		return "", nil, err
	}
	b.ehr.recording(true)
	p := newPoster(c.public + "/channels/texting/events")
	defer p.close()
	if _, err := p.pour(ctx, all); err != nil {
		return "", nil, err
	}
	if err := c.filed(ctx, len(all)); err != nil {
		return "", nil, err
	}
	bodies := b.ehr.recording(false)
	var out bytes.Buffer
	for _, e := range all {
		thread, _, _ := strings.Cut(e.key, "/")
		for _, of := range []string{thread, e.key} { // the header comes with the thread's first message
			for _, body := range bodies[of] {
				line, err := json.Marshal(request{Key: e.key, Path: pathOf(body), Body: body})
				if err != nil {
					return "", nil, err
				}
				out.Write(append(line, '\n'))
			}
			delete(bodies, of)
		}
	}
	file := filepath.Join(b.dir, "requests")
	return file, all, os.WriteFile(file, out.Bytes(), 0o600)
}

func pathOf(body []byte) string {
	if bytes.Contains(body[:min(len(body), 200)], []byte(`"resourceType":"Bundle"`)) {
		return ""
	}
	return "Communication"
}

// recording turns the stub's record of requests on or off, and gives what was recorded.
func (s *stub) recording(on bool) map[string][][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.bodies
	s.bodies, s.record = map[string][][]byte{}, on
	return out
}

// syncs is R11: how often Postgres forced its log to disk for each exchange filed, with 16 clients and 16 requests to the
// EHR at once. All of it counts: acceptance, attempts, receipts, claims, sealing of the audit log. The server's counts
// are complete only when the connector's connections have closed.
func (b *bench) syncs(ctx context.Context) error {
	var all []float64
	for range max(b.o.Pairs/2, 1) {
		n, err := b.syncsOnce(ctx)
		if err != nil {
			return err
		}
		all = append(all, n)
	}
	s := spreadOf(all)
	b.o.Book.Add(figure.Figure{ID: "R11", Value: s.median, Limit: limitR11, Unit: "WAL syncs per filed exchange", Noisy: b.o.Pairs < enough, Note: "of " + s.String() + "; aim 0.25"})
	return nil
}

func (b *bench) syncsOnce(ctx context.Context) (float64, error) {
	db, err := b.pg.database(ctx)
	if err != nil {
		return 0, err
	}
	defer b.pg.drop(ctx, db)
	c, err := b.prepare("r11", setting{store: db})
	if err != nil {
		return 0, err
	}
	if err := c.start(ctx); err != nil {
		return 0, err
	}
	threads, messages := b.volume()
	all, err := events(threads, messages, b.prefix())
	if err == nil {
		err = sign(all, b.secret)
	}
	var before, after int64
	if err == nil {
		before, err = b.pg.syncs(ctx)
	}
	if err == nil {
		p := newPoster(c.public + "/channels/texting/events")
		_, err = p.pour(ctx, all)
		p.close()
	}
	if err == nil {
		err = c.filed(ctx, len(all))
	}
	c.stop()
	if err == nil {
		after, err = b.pg.syncs(ctx)
	}
	return float64(after-before) / float64(len(all)), err
}
