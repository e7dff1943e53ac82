package app

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/inbox"
)

//go:embed templates
var templateFiles embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"asset": func(name string) (string, error) {
		if at, ok := embedded.at[name]; ok {
			return at, nil
		}
		return "", fmt.Errorf("no asset %s", name)
	},
	"at":    below,
	"who":   who,
	"role":  role,
	"span":  span,
	"bytes": byteSize,
	"stamp": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"names": names,

	"capital": capital,
	"dict":    dict,
}).ParseFS(templateFiles, "templates/*.html"))

// base is what the layout of every page needs.
type base struct {
	Launch  string // "" outside a session
	Here    string // path of this page
	Headed  bool
	Styled  bool // the EHR's colours are asked for
	Lists   bool // the session is one of pools
	Chart   bool // the session has a patient
	Covered bool // another patient was opened since: the page covers itself
	Live    string
	Last    string // when the session ends whatever is done, as the clinic's clock shows it; "" while doing something makes it go on
	Frame   *inbox.Frame
}

// base begins a page's data.
func (p *pages) base(c echo.Context) base {
	b := base{Here: c.Request().URL.RequestURI(), Headed: headed(c)}
	if s := session(c); s != nil {
		b.Launch, b.Live = s.ID, below(s.ID, "live") // so that every page hears of the session's end
		b.Covered, b.Styled, b.Lists, b.Chart = s.Covered != "", p.o.Style != nil && s.StyleURL != "", s.Patient == "", s.Patient != ""
	}
	return b
}

// framed begins the data of a page of a session.
func (p *pages) framed(c echo.Context, f inbox.Frame) base {
	b := p.base(c)
	if f.Zone == nil {
		f.Zone = time.UTC
	}
	b.Frame = &f
	if s := session(c); !s.Created.Add(inbox.Life).After(f.Ends) {
		b.Last = f.Ends.In(f.Zone).Format("15:04")
	}
	return b
}

// When shows a time as the clinic reads it: the day is left out today, the year in this year.
func (b base) When(t time.Time) string {
	if t.IsZero() || b.Frame == nil {
		return ""
	}
	t, now := t.In(b.Frame.Zone), b.Frame.Now.In(b.Frame.Zone)
	switch {
	case t.Year() == now.Year() && t.YearDay() == now.YearDay():
		return t.Format("15:04")
	case t.Year() == now.Year():
		return t.Format("Mon 2 Jan, 15:04")
	default:
		return t.Format("2 Jan 2006, 15:04")
	}
}

// Left is how long until t, in whole seconds, for a countdown that a script goes on with.
func (b base) Left(t time.Time) int {
	return max(0, int(t.Sub(b.Frame.Now).Round(time.Second)/time.Second))
}

// render writes a page. It is compressed where the browser takes that: nothing in a page opens anything by itself, so its
// length gives an attacker nothing to guess for.
func (p *pages) render(c echo.Context, status int, name string, data any) error {
	var page bytes.Buffer
	if err := templates.ExecuteTemplate(&page, name+".html", data); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	body := page.Bytes()
	if c.Request().Method == http.MethodPost {
		c.Response().Header().Set("HX-Push-Url", "false") // the address of a post cannot be opened again
	}
	c.Response().Header().Set("Vary", "Accept-Encoding, "+handleHeader)
	if takesGzip(c.Request()) {
		z, _ := squeezers.Get().(*squeezer)
		defer squeezers.Put(z)
		body = z.squeeze(body)
		c.Response().Header().Set("Content-Encoding", "gzip")
	}
	return c.Blob(status, "text/html; charset=utf-8", body)
}

// goTo sends a browser on after a post.
func goTo(c echo.Context, path string) error { return c.Redirect(http.StatusSeeOther, path) }

// roles are the words for what somebody is to the patient.
var roles = map[connector.Role]string{connector.RolePatient: "Patient", connector.RoleProxy: "Proxy", connector.RoleClinician: "Clinician",
	connector.RoleStaff: "Staff", connector.RolePool: "Team", connector.RoleSystem: "Automatic", inbox.ReadOnly: "Read only"}

// role names what somebody is: a proxy by the relationship.
func role(w inbox.Who) string {
	if w.Role == connector.RoleProxy && w.Relationship != "" {
		r, n := utf8.DecodeRuneInString(w.Relationship)
		return string(unicode.ToUpper(r)) + w.Relationship[n:] + " (proxy)"
	}
	return roles[w.Role]
}

// who names somebody, by the role where there is no name.
func who(w inbox.Who) string {
	if w.Name != "" {
		return w.Name
	}
	return role(w)
}

// names lists people.
func names(of []inbox.Who) string {
	var out []string
	for _, w := range of {
		out = append(out, who(w))
	}
	return strings.Join(out, ", ")
}

// kind groups entries by how they look.
func kind(e *inbox.Entry) string {
	switch {
	case e.Direction == connector.Internal:
		return "note"
	case e.Sender.Role == connector.RoleSystem:
		return "system"
	case e.Direction == connector.ToPatient:
		return "staff"
	case e.Sender.Role == connector.RoleProxy:
		return "proxy"
	default:
		return "patient"
	}
}

// span says how long something takes in two units at most.
func span(d time.Duration) string {
	switch m := int(d / time.Minute); {
	case m < 1:
		return "under a minute"
	case m < 60:
		return fmt.Sprintf("%d min", m)
	case m < 24*60:
		return strings.TrimSuffix(fmt.Sprintf("%d h %d min", m/60, m%60), " 0 min")
	case m < 48*60:
		return "1 day"
	default:
		return fmt.Sprintf("%d days", m/(24*60))
	}
}

func byteSize(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000*1000:
		return fmt.Sprintf("%d kB", (n+500)/1000)
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
}

// dict passes several values to a part of a page: names and values by turns.
func dict(pairs ...any) (map[string]any, error) {
	out := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no name", i)
		}
		out[name] = pairs[i+1]
	}
	return out, nil
}
