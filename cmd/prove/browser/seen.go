package browser

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Seen is what went on in the pages of a browser beside what they show. It is safe for concurrent use.
type Seen struct {
	mu         sync.Mutex
	dialogs    []string
	violations []string
	exceptions []string
	requests   []string
}

// Dialogs lists the alerts, questions and prompts that opened, "type: message". Each was answered with yes at once.
func (s *Seen) Dialogs() []string { return s.copy(&s.dialogs) }

// Violations lists what a Content-Security-Policy forbade, "directive kind url".
func (s *Seen) Violations() []string { return s.copy(&s.violations) }

// Exceptions lists what scripts threw and nobody caught.
func (s *Seen) Exceptions() []string { return s.copy(&s.exceptions) }

// Requests lists the URLs that pages asked for from when they were opened, those of frames from when Page.Frame found them. What
// an origin was asked from the first byte on, Record knows.
func (s *Seen) Requests() []string { return s.copy(&s.requests) }

func (s *Seen) copy(list *[]string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(*list)
}

func (s *Seen) add(list *[]string, line string) {
	s.mu.Lock()
	*list = append(*list, line)
	s.mu.Unlock()
}

// listen is what a page's events are given to. A dialog is answered beside the listener, which may not wait.
func (s *Seen) listen(ctx func() context.Context) func(any) {
	return func(event any) {
		switch e := event.(type) {
		case *page.EventJavascriptDialogOpening:
			s.add(&s.dialogs, string(e.Type)+": "+e.Message)
			go func() {
				_, _ = chromedp.Call(ctx(), page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true}) // fails where the page has gone
			}()
		case *audits.EventIssueAdded:
			if e.Issue.Details == nil || e.Issue.Details.ContentSecurityPolicyIssueDetails == nil {
				return
			}
			d := e.Issue.Details.ContentSecurityPolicyIssueDetails
			s.add(&s.violations, fmt.Sprintf("%s %s %s", d.ViolatedDirective, d.ContentSecurityPolicyViolationType, d.BlockedURL))
		case *runtime.EventExceptionThrown:
			line := e.ExceptionDetails.Text
			if e.ExceptionDetails.Exception != nil {
				line += " " + e.ExceptionDetails.Exception.Description
			}
			s.add(&s.exceptions, line)
		case *network.EventRequestWillBeSent:
			s.add(&s.requests, e.Request.URL)
		}
	}
}

// report has the page tell its issues, those it had before too.
func report(ctx context.Context) error {
	_, err := chromedp.Call(ctx, audits.Enable, cdp.Empty{})
	return err
}
