package platform_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/platform"
)

func TestPostRetriesUntilAnswered(t *testing.T) {
	w := start(t, platform.Options{Workers: 1})
	w.answer = func(_ string, times int) (int, string) {
		return []int{503, 500, 429, 202}[times-1], []string{"7", "", "", ""}[times-1]
	}
	if err := w.Post(t.Context(), platform.Deliveries([][]byte{created("t-1", "m-1", 1)}, platform.Order{})); err != nil {
		t.Fatal(err)
	}
	var statuses []int
	for _, a := range w.Attempts() {
		statuses = append(statuses, a.Status)
	}
	if !slices.Equal(statuses, []int{503, 500, 429, 202}) || len(w.Refused()) != 0 {
		t.Errorf("%v, refused %v", statuses, w.Refused())
	}
	if len(w.waits) != 3 || w.waits[0] != 7*time.Second {
		t.Errorf("waited %v, want Retry-After first", w.waits)
	}
	w.answer = func(string, int) (int, string) { return 400, "" }
	if err := w.Post(t.Context(), platform.Deliveries([][]byte{created("t-1", "m-2", 2)}, platform.Order{})); err != nil {
		t.Fatal(err)
	}
	if got := w.Refused(); len(got) != 1 || got[0].Status != 400 {
		t.Errorf("%v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Post(ctx, platform.Deliveries([][]byte{created("t-1", "m-3", 3)}, platform.Order{})); err == nil {
		t.Error("a cancelled Post returned no error")
	}
	if err := w.Post(t.Context(), []platform.Delivery{{ID: "x", Body: []byte("{")}}); err == nil {
		t.Error("an event that is not JSON was posted")
	}
	w.SetTarget("")
	if err := w.Post(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "SetTarget") {
		t.Errorf("without a target: %v", err)
	}
}

func TestDeliveriesKeepTheirWindowAndRepeat(t *testing.T) {
	var events [][]byte
	for i := range 1000 {
		events = append(events, created("t-1", fmt.Sprintf("m-%d", i), i+1))
	}
	sum := sha256.Sum256(events[0])
	plain := platform.Deliveries(events, platform.Order{})
	if len(plain) != 1000 || plain[0].ID != hex.EncodeToString(sum[:]) || string(plain[999].Body) != string(events[999]) {
		t.Fatalf("%d deliveries", len(plain))
	}
	place := map[string]int{}
	for i, d := range plain {
		place[d.ID] = i
	}
	order := platform.Order{Shuffle: true, Repeat: 0.1, Seed: 4}
	shuffled := platform.Deliveries(events, order)
	again := platform.Deliveries(events, order)
	moved, count := 0, map[string]int{}
	for i, d := range shuffled {
		if d.ID != again[i].ID {
			t.Fatal("the same seed gave another order")
		}
		count[d.ID]++
		if i > 0 && place[d.ID]/50 < place[shuffled[i-1].ID]/50 {
			t.Fatalf("delivery %d left its window", i)
		}
		if i > 0 && place[d.ID] < place[shuffled[i-1].ID] {
			moved++
		}
	}
	if repeats := len(shuffled) - 1000; len(count) != 1000 || repeats < 60 || repeats > 140 || moved < 300 {
		t.Errorf("%d distinct, %d repeats, %d out of order", len(count), repeats, moved)
	}
}

func TestPostKeepsAThreadInOrderAndRewritesMedia(t *testing.T) {
	w := start(t, platform.Options{Workers: 4})
	var events [][]byte
	for i := range 200 {
		body := strings.Replace(string(created(fmt.Sprintf("t-%d", i%10), fmt.Sprintf("m-%d", i), i/10+1)), `"text":"hi"`,
			`"text":"see https://media.texting.example/x","attachments":[{"id":"a","content_type":"image/png","url":"https://media.texting.example/media/p.png"}]`, 1)
		events = append(events, []byte(body))
	}
	if err := w.Post(t.Context(), platform.Deliveries(events, platform.Order{})); err != nil {
		t.Fatal(err)
	}
	last := map[string]int{}
	for _, e := range w.got() {
		var v struct {
			Data struct {
				Thread  struct{ ID string }
				Message struct {
					Sequence    int
					Text        string
					Attachments []struct{ URL string }
				}
			}
		}
		_ = json.Unmarshal(e.body, &v)
		m := v.Data.Message
		if m.Sequence != last[v.Data.Thread.ID]+1 {
			t.Fatalf("%s: %d after %d", v.Data.Thread.ID, m.Sequence, last[v.Data.Thread.ID])
		}
		last[v.Data.Thread.ID] = m.Sequence
		if m.Attachments[0].URL != w.url+"/media/p.png" || m.Text != "see https://media.texting.example/x" {
			t.Fatalf("%s", e.body)
		}
	}
	if w.Reserve("t-3") != 21 || w.Reserve("t-3") != 22 || w.Reserve("nowhere") != 0 {
		t.Error("Reserve does not continue the thread")
	}
	w.AddMedia("p.png", "image/png", []byte("\x89PNG"))
	resp, err := http.Get(w.url + "/media/p.png")
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if string(raw) != "\x89PNG" || resp.Header.Get("Content-Type") != "image/png" {
		t.Errorf("%q %v", raw, resp.Header)
	}
	if resp, err := http.Get(w.url + "/media/none"); err != nil || resp.StatusCode != 404 {
		t.Errorf("%v %v", resp, err)
	}
}
