package browser

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/seed"
	"github.com/chartwire/chartwire/testdata/threads"
)

// theirApp is a SMART app of two pages, as the documentation of fhirclient has them: it shows whose chart was launched and who
// launched it. With state, the sign-in is begun with a state of 122 bits, which SMART App Launch 2.2 requires; by itself the
// client makes one of 95.
func theirApp(script []byte, fhir string) http.Handler {
	origin, _, _ := strings.Cut(fhir, "/fhir")
	mux := http.NewServeMux()
	page := func(src string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self' "+origin+"; frame-ancestors "+ehrSite)
			fmt.Fprintf(w, `<!doctype html><html lang="en"><title>their app</title><p id="shown"></p><script src="/fhir-client.js"></script><script src="%s"></script></html>`, src)
		}
	}
	serve := func(b []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = w.Write(b)
		}
	}
	const begin = `FHIR.oauth2.authorize({clientId: 'theirs', scope: 'launch openid fhirUser offline_access patient/Patient.rs user/Practitioner.rs', redirectUri: '/index.html'%s})
		.catch(e => { document.getElementById('shown').textContent = 'refused: ' + e.message })`
	mux.HandleFunc("GET /launch.html", page("/launch.js"))
	mux.HandleFunc("GET /short.html", page("/short.js"))
	mux.HandleFunc("GET /index.html", page("/index.js"))
	mux.HandleFunc("GET /fhir-client.js", serve(script))
	mux.HandleFunc("GET /launch.js", serve(fmt.Appendf(nil, begin, ", stateKey: crypto.randomUUID()")))
	mux.HandleFunc("GET /short.js", serve(fmt.Appendf(nil, begin, "")))
	mux.HandleFunc("GET /index.js", serve([]byte(`(async () => {
		const shown = document.getElementById('shown')
		try {
			const client = await FHIR.oauth2.ready()
			const before = client.state.tokenResponse.access_token
			const patient = await client.patient.read()
			const user = await client.user.read()
			await client.refresh()
			const again = await client.patient.read()
			shown.textContent = JSON.stringify({patient: patient.id, born: again.birthDate, user: user.resourceType + '/' + user.id,
				fhirUser: client.user.fhirUser, encounter: client.encounter.id, banner: client.getState('tokenResponse.need_patient_banner'),
				renewed: client.state.tokenResponse.access_token !== before})
		} catch (e) { shown.textContent = 'failed: ' + e.message }
	})()`)))
	return mux
}

// TestTheirClientLaunches: the SMART JS client, which nobody here wrote, launches in the EHR's frame against the sandbox, is told
// the context, reads what it was granted and renews its token. So the sandbox is a fair counterpart for our own.
func TestTheirClientLaunches(t *testing.T) {
	need(t)
	script, err := fhirClient.File(t.Context(), *packages, "build/fhir-client.min.js")
	if err != nil {
		t.Fatal(err)
	}
	people, err := seed.FromEvents(threads.All())
	if err != nil {
		t.Fatal(err)
	}
	bundle, refs := seed.Bundle(people)
	traits := ehr.Full()
	traits.Auth = true
	e, err := sandbox.StartEHR(t.Context(), sandbox.EHROptions{
		EHR: ehr.Options{Now: time.Now, Traits: traits}, Browsers: []string{appSite},
		Clients: []auth.Client{{ID: "theirs", RedirectURIs: []string{appSite + "/index.html"}, Scopes: "launch openid fhirUser offline_access patient/Patient.rs user/Practitioner.rs"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	done(t, e.Seed(bundle))
	patient, user := "Patient/"+strings.TrimPrefix(firstOf(refs.Patients), "Patient/"), refs.People["prac-ana"]
	at := func(launch string) (*Browser, *Page) {
		pages, err := e.OpenShell(appSite + launch)
		if err != nil {
			t.Fatal(err)
		}
		b := serveSite(t, pages, theirApp(script, e.Base())).browse(t, ThirdParty)
		tab := open(t, b, ehrSite+"/shell/patient/"+strings.TrimPrefix(patient, "Patient/")+"?"+url.Values{"as": {user}}.Encode())
		return b, frame(t, tab, "#messages", appSite+"/index.html")
	}

	b, app := at("/launch.html")
	done(t, app.See(Saying("p", ":")))
	got := text(t, app, "#shown")
	want := []string{fmt.Sprintf(`"patient":%q`, strings.TrimPrefix(patient, "Patient/")), fmt.Sprintf(`"user":%q`, user), `"born":"`, `"encounter":"`, `"banner":false`, `"renewed":true`}
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("the app shows %s, without %s", got, w)
		}
	}
	if v := b.Seen.Violations(); len(v) > 0 {
		t.Errorf("violations %q", v)
	}

	// What a client's own state is too short for is said, and a strict server may refuse it.
	_, app = at("/short.html")
	done(t, app.See(Saying("p", "REQ#40")))
}

func firstOf[K comparable](refs map[K]string) string {
	first := ""
	for _, ref := range refs {
		if first == "" || ref < first {
			first = ref
		}
	}
	return first
}
