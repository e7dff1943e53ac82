package browser

import (
	"context"
	"fmt"

	"github.com/chromedp/chromedp"
)

// rules are those of WCAG 2.2 at levels A and AA, and what axe-core calls best practice beside them.
const rules = `['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']`

// Axe is axe-core, ready to be put into pages.
type Axe struct{ script string }

// LoadAxe has npm fetch axe-core into the folder dir where it is not there yet.
func LoadAxe(ctx context.Context, dir string) (*Axe, error) {
	script, err := axeCore.File(ctx, dir, "axe.min.js")
	return &Axe{string(script)}, err
}

// Violations lists what the page breaks of the rules of accessibility as it is now, "rule impact: places". The script is put in by
// the debugger, which no Content-Security-Policy holds up.
func (a *Axe) Violations(p *Page) ([]string, error) {
	run := a.script + `;axe.run(document, {resultTypes: ['violations'], runOnly: {type: 'tag', values: ` + rules + `}})
		.then(r => r.violations.map(v => v.id + ' ' + v.impact + ': ' + v.nodes.map(n => n.target.join(' ') + ' (' + (n.any.concat(n.all, n.none)[0] || {}).message + ')').join(' | ')))`
	found, err := Get(p, chromedp.Evaluate[[]string](run, chromedp.EvalAwaitPromise))
	if err != nil {
		return nil, fmt.Errorf("browser: axe-core does not run: %w", err)
	}
	return found, nil
}
