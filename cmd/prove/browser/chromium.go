package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
)

// Cookies is what the browser keeps of cookies: what its user, or who runs the hospital's desktops, has chosen.
type Cookies string

// The choices. A page in a frame of another site keeps partitioned cookies where third-party ones are blocked, and has neither
// cookies nor storage of any kind where all are refused.
const (
	Allowed    Cookies = "allowed"
	ThirdParty Cookies = "third-party-blocked"
	Refused    Cookies = "refused"
)

// preferences are the profile's, as Chromium keeps them in the file Preferences.
var preferences = map[Cookies]map[string]any{
	Allowed:    {"cookie_controls_mode": 0},
	ThirdParty: {"cookie_controls_mode": 1},
	Refused:    {"default_content_setting_values": map[string]any{"cookies": 2}},
}

// patience is how long one step may take, on a machine that does other things meanwhile.
const patience = 30 * time.Second

// Options are of one browser. All are required.
type Options struct {
	Program   string // Chromium's, such as /usr/bin/chromium
	Authority *Authority
	Hosts     map[string]string // host name → address its port 443 is at; every other name is unknown, 127.0.0.1 is itself
	Cookies   Cookies
	Dir       string // an empty folder for the profile, which the caller removes
}

// Browser is a running Chromium with a profile of its own.
type Browser struct {
	Seen *Seen // by all its pages
	ctx  context.Context
	stop func()
}

// Start starts a browser. It ends with Close, or with ctx.
func Start(ctx context.Context, o Options) (*Browser, error) {
	home := filepath.Join(o.Dir, "trust")
	if err := o.profile(ctx, home); err != nil {
		return nil, err
	}
	flags := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(o.Program), chromedp.UserDataDir(o.Dir), chromedp.Env("HOME="+home), chromedp.WindowSize(1280, 900),
		chromedp.Flag("host-resolver-rules", resolver(o.Hosts)), chromedp.Flag("lang", "en-US"))
	ctx, endProcess := chromedp.NewExecAllocator(ctx, flags...)
	// What is logged is of events of documents that leave while a frame goes from site to site; a step's own error is given.
	ctx, endTab := chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}))
	b := &Browser{Seen: &Seen{}, ctx: ctx, stop: func() { endTab(); endProcess() }}
	if err := chromedp.Do(ctx); err != nil {
		b.stop()
		return nil, fmt.Errorf("browser: %s does not start: %w", o.Program, err)
	}
	return b, nil
}

// Close asks the browser to end, has it ended after ten seconds where it does not, and waits until its process is gone. Others of
// its processes may write into the profile a moment longer: many of them where it is not asked.
func (b *Browser) Close() {
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	if ctx.Err() == nil {
		_ = chromedp.Cancel(ctx) // fails where the browser has gone by itself, which stop clears up after
	}
	b.stop()
}

// profile writes what the browser starts with: its preferences, and the authority it trusts in the NSS database below home.
// Chromium's own switch that trusts a key compares no names; a database does.
func (o Options) profile(ctx context.Context, home string) error {
	chosen, ok := preferences[o.Cookies]
	if !ok {
		return fmt.Errorf("browser: there is no cookie setting %q", o.Cookies)
	}
	text, err := json.Marshal(map[string]any{"profile": chosen})
	if err != nil {
		return err
	}
	database, root := filepath.Join(home, ".pki", "nssdb"), filepath.Join(home, "root.pem")
	for _, folder := range []string{database, filepath.Join(o.Dir, "Default")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(o.Dir, "Default", "Preferences"), text, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(root, o.Authority.root, 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{{"-N", "--empty-password"}, {"-A", "-t", "C,,", "-n", "test", "-i", root}} {
		out, err := exec.CommandContext(ctx, "certutil", append(args, "-d", "sql:"+database)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("browser: certutil, of Debian's libnss3-tools, cannot make the browser's list of authorities: %w: %s", err, out)
		}
	}
	return nil
}

// resolver are the rules by which the browser finds hosts.
func resolver(hosts map[string]string) string {
	var rules []string
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		rules = append(rules, "MAP "+name+":443 "+hosts[name])
	}
	return strings.Join(append(rules, "MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1"), ", ")
}
