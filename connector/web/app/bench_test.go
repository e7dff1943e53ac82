package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/web/app"
)

// BenchmarkThread renders a short thread and a long one, as a browser asks for it.
func BenchmarkThread(b *testing.B) {
	for _, n := range []int{20, 500} {
		for _, enc := range []string{"", "gzip"} {
			b.Run(fmt.Sprint(n, enc), func(b *testing.B) {
				d := newDesk()
				d.long = n - 6
				e := echo.New()
				app.Mount(e, app.Options{Desk: d, Clock: clock.System})
				size := 0
				for b.Loop() {
					r := httptest.NewRequest(http.MethodGet, "/app/l/L1/t/T1", nil)
					r.Header.Set("X-Chartwire-Session", "handle-1")
					r.Header.Set("Accept-Encoding", enc)
					w := httptest.NewRecorder()
					e.ServeHTTP(w, r)
					size = w.Body.Len()
				}
				b.ReportMetric(float64(size), "bytes")
			})
		}
	}
}
