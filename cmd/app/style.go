package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	webapp "github.com/chartwire/chartwire/connector/web/app"
)

// maxStyle bounds an EHR's style document, which is a dozen short values.
const maxStyle = 64 << 10

// styles reads the style documents of one EHR, each once: the URL is what one is known by, and another style has another URL
// (SMART App Launch 2.2, "Styling").
type styles struct {
	http *http.Client

	mu   sync.Mutex
	read map[string]webapp.Style
}

func newStyles(hc *http.Client) *styles { return &styles{http: hc, read: map[string]webapp.Style{}} }

// of gives the style at a launch's smart_style_url; "" has none. One that cannot be read is asked for again by the next page: it
// is no more than colour.
func (s *styles) of(ctx context.Context, url string) (webapp.Style, error) {
	if url == "" {
		return webapp.Style{}, nil
	}
	s.mu.Lock()
	known, ok := s.read[url]
	s.mu.Unlock()
	if ok {
		return known, nil
	}
	style, err := s.fetch(ctx, url)
	if err != nil {
		return style, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.read) < 100 { // an EHR has a handful of styles
		s.read[url] = style
	}
	return style, nil
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
