package bench

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func post(t *testing.T, url, body string) (*http.Response, []byte) {
	t.Helper()
	resp, err := http.Post(url, "application/fhir+json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, out
}

const said = `{"resourceType":"Communication","identifier":[{"system":"https://x.example/sid/texting/message","value":"t-1/m-1"}],"status":"completed"}`

// What the stub answers is what is measured against: an echo with a place and a version.
func TestStubEchoes(t *testing.T) {
	s, err := startStub(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	s.recording(true)
	resp, body := post(t, s.base+"/Communication", said)
	var r struct {
		ID     string
		Status string
		Meta   struct{ VersionID string }
	}
	if err := json.Unmarshal(body, &r); err != nil || r.Status != "completed" || r.Meta.VersionID != "1" ||
		!strings.HasSuffix(resp.Header.Get("Location"), "/Communication/"+r.ID+"/_history/1") {
		t.Errorf("%s at %s: %v", body, resp.Header.Get("Location"), err)
	}
	bundle := `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":` + said + `,"request":{"method":"POST","url":"Communication"}},` +
		`{"resource":{"resourceType":"Provenance"},"request":{"method":"POST","url":"Provenance"}}]}`
	_, body = post(t, s.base, bundle)
	if bytes.Count(body, []byte(`"201 Created"`)) != 2 || !bytes.Contains(body, []byte(`"t-1/m-1"`)) {
		t.Errorf("%s", body)
	}
	if n := s.exchanges(); n != 2 {
		t.Errorf("%d exchanges were counted", n)
	}
	select {
	case <-s.taken(2):
	default:
		t.Error("nobody was told of the second exchange")
	}
	if got := s.recording(false)["t-1/m-1"]; len(got) != 2 || string(got[1]) != bundle {
		t.Errorf("recorded %q", got)
	}
	if n := s.counted(); n[callWrite] != 2 {
		t.Errorf("calls: %v", n)
	}
}

func TestRequestsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "requests")
	line, err := json.Marshal(request{Key: "t-1/m-1", Path: pathOf([]byte(said)), Body: []byte(said)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(line, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := readRequests(file)
	if err != nil || len(all["t-1/m-1"]) != 1 || string(all["t-1/m-1"][0].Body) != said || all["t-1/m-1"][0].Path != "Communication" {
		t.Errorf("%v, %v", all, err)
	}
}

func TestProc(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("SKIPPED, NOT RUN: this system has no /proc to read a process's time from")
	}
	if rss, err := rssOf(os.Getpid()); err != nil || rss < 1<<20 {
		t.Errorf("%d bytes, %v", rss, err)
	}
	tree, err := cpuOfTree(os.Getppid())
	own, err2 := cpuOf(os.Getpid())
	if err != nil || err2 != nil || tree < own {
		t.Errorf("%v of the tree, %v of this process in it: %v %v", tree, own, err, err2)
	}
}
