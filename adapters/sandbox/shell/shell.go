// Package shell is what a clinician has open at the sandbox EHR: a list of patients, a patient's chart with the messages that
// were filed, and the inbox in a frame beside it, launched by SMART. Its pages are the EHR's, not ours; they are as plain as a
// real EHR's frame is strange to the app inside.
package shell

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

// Options configure the pages. All are required but StyleURL and Origins.
type Options struct {
	Chart     *ehr.Server
	Auth      *auth.Server
	LaunchURL string // of the app, as an administrator registered it
	Base      string // FHIR base, which a launch names as iss
	// StyleURL is what a launch gives as smart_style_url; "" gives none.
	StyleURL string
}

// Shell serves the pages. It is an http.Handler for everything below /shell/.
type Shell struct {
	o     Options
	pages *template.Template
	mux   *http.ServeMux
}

//go:embed page.html shell.css shell.js style.json
var files embed.FS

// New builds the pages.
func New(o Options) (*Shell, error) {
	app, err := url.Parse(o.LaunchURL)
	if err != nil || app.Host == "" || o.Chart == nil || o.Auth == nil || o.Base == "" {
		return nil, errors.New("shell: a chart, an authorization server, a FHIR base and the app's absolute launch URL are needed")
	}
	pages, err := template.ParseFS(files, "page.html")
	if err != nil {
		return nil, err
	}
	s := &Shell{o: o, pages: pages, mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /shell/{$}", s.patients)
	s.mux.HandleFunc("GET /shell/patient/{id}", s.patient)
	s.mux.HandleFunc("GET /shell/chart/{id}", s.chart)
	s.mux.HandleFunc("GET /shell/inbox", s.inbox)
	s.mux.HandleFunc("GET /shell/launch", s.launch)
	for _, name := range []string{"shell.css", "shell.js", "style.json"} {
		s.mux.HandleFunc("GET /shell/"+name, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, name) })
	}
	return s, nil
}

// ServeHTTP is http.Handler. What is in the frame goes from the app to the authorization server and back, so both may be
// framed.
func (s *Shell) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	frames := origin(s.o.LaunchURL) + " " + origin(s.o.Base)
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; frame-src 'self' "+frames)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	s.mux.ServeHTTP(w, r)
}

func origin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// view is what every page shows.
type view struct {
	Title    string
	As       string // fhirUser of who works here
	Users    []person
	Patients []person
	Patient  person
	Entries  []entry
	Frame    string // the frame's address; "" has none
	Wide     bool   // the frame is the whole page
}

func (s *Shell) base(r *http.Request, title string) view {
	v := view{Title: title, As: r.URL.Query().Get("as"), Users: s.people("Practitioner")}
	if v.As == "" && len(v.Users) > 0 {
		v.As = v.Users[0].Reference
	}
	return v
}

func (s *Shell) show(w http.ResponseWriter, name string, v view) {
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name, v); err != nil {
		http.Error(w, "this page could not be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

func (s *Shell) patients(w http.ResponseWriter, r *http.Request) {
	v := s.base(r, "Patients")
	v.Patients = s.people("Patient")
	s.show(w, "patients", v)
}

func (s *Shell) patient(w http.ResponseWriter, r *http.Request) {
	v := s.base(r, "Chart")
	p, ok := s.person("Patient/" + r.PathValue("id"))
	if !ok {
		http.Error(w, "there is no such patient in this EHR", http.StatusNotFound)
		return
	}
	v.Patient, v.Entries = p, s.entries(p.Reference)
	v.Frame = "/shell/launch?" + url.Values{"as": {v.As}, "patient": {p.Reference}}.Encode()
	s.show(w, "patient", v)
}

// chart is the list of entries alone, which the page asks for again and again.
func (s *Shell) chart(w http.ResponseWriter, r *http.Request) {
	s.show(w, "entries", view{Entries: s.entries("Patient/" + r.PathValue("id"))})
}

func (s *Shell) inbox(w http.ResponseWriter, r *http.Request) {
	v := s.base(r, "Inbox")
	v.Frame, v.Wide = "/shell/launch?"+url.Values{"as": {v.As}}.Encode(), true
	s.show(w, "inbox", v)
}

// launch begins an EHR launch and goes to the app with it (SMART App Launch 2.2, "Launch App: EHR Launch").
func (s *Shell) launch(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	l := auth.Launch{User: q.Get("as"), Intent: q.Get("intent"), StyleURL: s.o.StyleURL}
	if p, ok := s.person(l.User); ok {
		l.UserName = p.Name
	}
	if patient := q.Get("patient"); patient != "" {
		l.Patient = strings.TrimPrefix(patient, "Patient/")
		l.Encounter = strings.TrimPrefix(s.openEncounter(patient), "Encounter/")
		shown := false // the page around the frame shows who the patient is
		l.NeedPatientBanner = &shown
	}
	to := s.o.LaunchURL + "?" + url.Values{"iss": {s.o.Base}, "launch": {s.o.Auth.NewLaunch(l)}}.Encode()
	http.Redirect(w, r, to, http.StatusFound)
}
