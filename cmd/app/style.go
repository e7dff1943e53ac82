package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector/clock"
	webapp "github.com/chartwire/chartwire/connector/web/app"
)

const (
	maxStyle   = 64 << 10        // bytes of an EHR's style document, which is a dozen short values
	styleWait  = 2 * time.Second // for it: the browser shows a page's first words once it has its colours
	styleAgain = time.Minute     // until one that could not be read is asked for again
	maxStyles  = 100             // an EHR has a handful
)

// styles reads the style documents of one EHR, each once: the URL is what one is known by, and another style has another URL
// (SMART App Launch 2.2, "Styling").
type styles struct {
	http  *http.Client
	clock clock.Clock

	mu     sync.Mutex
	read   map[string]webapp.Style
	failed map[string]failedStyle
}

// failedStyle is why one could not be read, and how long that is not tried again.
type failedStyle struct {
	err   error
	until time.Time
}

func newStyles(hc *http.Client, c clock.Clock) *styles {
	return &styles{http: hc, clock: c, read: map[string]webapp.Style{}, failed: map[string]failedStyle{}}
}

// of gives the style at a launch's smart_style_url; "" has none. It is waited for no longer than styleWait, and one that could not be
// read is not asked for again within styleAgain: it is no more than colour.
func (s *styles) of(ctx context.Context, url string) (webapp.Style, error) {
	if url == "" {
		return webapp.Style{}, nil
	}
	if style, known, err := s.known(url); known {
		return style, err
	}
	waiting, cancel := context.WithTimeout(ctx, styleWait)
	defer cancel()
	style, err := s.fetch(waiting, url)
	if ctx.Err() != nil {
		return style, err // the browser went away, which says nothing of the EHR
	}
	s.keep(url, style, err)
	return style, err
}

func (s *styles) known(url string) (style webapp.Style, known bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if style, known = s.read[url]; known {
		return style, true, nil
	}
	failed := s.failed[url]
	return style, s.clock.Now().Before(failed.until), failed.err
}

func (s *styles) keep(url string, style webapp.Style, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	maps.DeleteFunc(s.failed, func(_ string, f failedStyle) bool { return !now.Before(f.until) })
	switch {
	case err == nil && len(s.read) < maxStyles:
		s.read[url] = style
	case err != nil && len(s.failed) < maxStyles:
		s.failed[url] = failedStyle{err, now.Add(styleAgain)}
	}
}

func (s *styles) fetch(ctx context.Context, url string) (style webapp.Style, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return style, errors.New("smart_style_url is no URL")
	}
	r.Header.Set("Accept", "application/json")
	resp, err := s.http.Do(r)
	if err != nil {
		return style, fmt.Errorf("smart_style_url could not be read: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return style, fmt.Errorf("smart_style_url: HTTP %d instead of 200", resp.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxStyle)).Decode(&style); err != nil {
		return style, errors.New("smart_style_url is no style document")
	}
	return style, nil
}
