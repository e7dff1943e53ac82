package browser

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// Page is a tab, or what is in a frame of one. Its methods wait for what they name, for half a minute at most; their errors say
// what was waited for and what is shown instead. A place on it is an XPath, which begins with a slash
// or a parenthesis, or a CSS selector.
type Page struct {
	b   *Browser
	ctx context.Context
	end context.CancelFunc
}

// Open opens a tab at an address.
func (b *Browser) Open(address string) (*Page, error) {
	p := &Page{b: b}
	p.ctx, p.end = chromedp.NewContext(b.ctx, chromedp.WithListener(b.Seen.listen(func() context.Context { return p.ctx })))
	if err := chromedp.Do(p.ctx); err != nil {
		p.end()
		return nil, fmt.Errorf("browser: no tab opens: %w", err)
	}
	if err := report(p.ctx); err != nil {
		p.end()
		return nil, err
	}
	return p, p.Go(address)
}

// Close closes the tab; of a frame it only looks away.
func (p *Page) Close() { p.end() }

// Frame is what the frame at a place of the tab shows, once its address begins with one of the ends, which have to be on another
// site than the tab. From an end the frame may go on within its site, and is followed there: what goes from site to site changes
// hands in the browser, and a command that meets that may never be answered.
func (p *Page) Frame(place string, ends ...string) (*Page, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	moved := make(chan struct{}, 1)
	err := chromedp.ListenBrowser(ctx, func(event any) {
		switch event.(type) {
		case *target.EventTargetCreated, *target.EventTargetInfoChanged, *target.EventAttachedToTarget:
			select {
			case moved <- struct{}{}:
			default:
			}
		}
	})
	if err != nil {
		return nil, err
	}
	nodes, err := chromedp.Run(ctx, chromedp.Nodes(place, by(place), chromedp.NodeReady))
	if err != nil {
		return nil, fmt.Errorf("browser: there is no frame at %s: %w", place, err)
	}
look:
	for {
		all, err := chromedp.Targets(ctx)
		if err != nil {
			return nil, fmt.Errorf("browser: the frame at %s does not come to any of %q: %w", place, ends, err)
		}
		for _, at := range all {
			// A frame of another site is a target of its own, with the frame's id.
			if string(at.TargetID) == string(nodes[0].FrameID) && slices.ContainsFunc(ends, func(end string) bool { return strings.HasPrefix(at.URL, end) }) {
				f, err := p.attach(at.TargetID)
				if !wentOn(err) || ctx.Err() != nil {
					return f, err
				}
				continue look
			}
		}
		select {
		case <-moved:
		case <-ctx.Done():
		}
	}
}

func (p *Page) attach(id target.ID) (*Page, error) {
	f := &Page{b: p.b}
	f.ctx, f.end = chromedp.NewContext(p.ctx, chromedp.WithTargetID(id), chromedp.WithDetachOnCancel(),
		chromedp.WithListener(p.b.Seen.listen(func() context.Context { return f.ctx })))
	if err := errors.Join(chromedp.Do(f.ctx), report(f.ctx)); err != nil {
		f.end()
		return nil, fmt.Errorf("browser: the frame cannot be looked into: %w", err)
	}
	return f, nil
}

// wentOn says whether an error is that of a page which was left while something was asked of it.
func wentOn(err error) bool {
	var told *cdproto.Error
	return errors.Is(err, chromedp.ErrTargetDetached) ||
		errors.As(err, &told) && (strings.Contains(told.Message, "navigated or closed") || strings.Contains(told.Message, "No target with given id"))
}

// Do takes steps, with one deadline for all of them.
func (p *Page) Do(steps ...chromedp.Action[chromedp.Void]) error {
	_, err := Get(p, chromedp.Steps(steps...))
	return err
}

// Get runs what gives a value. An element that the page took away just when it was about to be used is looked for again: the inbox
// puts newer ones in their place as things happen.
func Get[T any](p *Page, action chromedp.Action[T]) (value T, err error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	for {
		value, err = chromedp.Run(ctx, action)
		if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "node with given id") {
			return value, err
		}
	}
}

// Go opens an address in the tab and waits until it is loaded.
func (p *Page) Go(address string) error {
	if err := p.Do(chromedp.Navigate(address)); err != nil {
		return fmt.Errorf("browser: %s does not open: %w", address, err)
	}
	return nil
}

// See waits until a place is shown.
func (p *Page) See(place string) error {
	return p.said("is not shown", place, p.Do(chromedp.WaitVisible(place, by(place))))
}

// Gone waits until nothing is at a place.
func (p *Page) Gone(place string) error {
	return p.said("does not go away", place, p.Do(chromedp.WaitNotPresent(place, by(place))))
}

// Click clicks a place once it is shown and can be used, and again where the press did not come to it: what happens may move it, or
// put a newer one in its place, between the look at where it is and the button's release.
func (p *Page) Click(place string) error {
	once := chromedp.QueryAfter(place, press, by(place), chromedp.NodeVisible)
	return p.said("cannot be clicked", place, p.Do(chromedp.WaitEnabled(place, by(place)), func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		for hit := false; !hit && err == nil; {
			hit, err = once(ctx, t)
		}
		return none, err
	}))
}

// press presses the first of some elements where it is now, and says whether the click came to it. The page's own listeners hear of
// a click later than this one, and may keep it from each other.
func press(ctx context.Context, t *chromedp.Target, found []*chromedp.Node) (hit bool, err error) {
	element, err := cdp.Call(ctx, t, dom.ResolveNode, dom.ResolveNodeParams{NodeID: found[0].NodeID})
	if err != nil {
		return false, err
	}
	its := func(call *runtime.CallFunctionOnParams) { call.ObjectID = element.Object.ObjectID }
	const listen = `function() { addEventListener('click', e => { this.cwHit ||= e.composedPath().includes(this) }, {capture: true, once: true}) }`
	if _, err := chromedp.CallFunctionOn[chromedp.Void](listen, its)(ctx, t); err != nil {
		return false, err
	}
	if _, err := chromedp.MouseClickNode(found[0])(ctx, t); err != nil {
		return false, err
	}
	hit, err = chromedp.CallFunctionOn[bool](`function() { return this.cwHit === true }`, its)(ctx, t)
	if err != nil && ctx.Err() == nil {
		return true, nil // the click left the page, and what could be asked with it
	}
	return hit, err
}

// Renewed acts, and waits until another page is in this one's place. What a post did is often seen before: the page follows what
// happens, and goes all the same when the post's own answer comes, with whatever was begun in it meanwhile.
func (p *Page) Renewed(act func() error) error {
	if _, err := Get(p, chromedp.Evaluate[string]("document.getElementById('page').dataset.was = 'here'")); err != nil {
		return fmt.Errorf("browser: there is no page that could be renewed: %w", err)
	}
	if err := act(); err != nil {
		return err
	}
	return p.Gone("#page[data-was]")
}

// Type types into a place; "\t" and "\r" are the keys.
func (p *Page) Type(place, text string) error {
	return p.said("takes no text", place, p.Do(chromedp.SendKeys(place, text, by(place), chromedp.NodeVisible)))
}

// Press presses keys wherever the focus is.
func (p *Page) Press(keys string, with ...chromedp.Modifier) error {
	return p.said("cannot be pressed", keys, p.Do(chromedp.KeyEvent(keys, chromedp.KeyModifiers(with...))))
}

// Choose chooses files at a place.
func (p *Page) Choose(place string, files ...string) error {
	return p.said("takes no file", place, p.Do(chromedp.SetUploadFiles(place, files, by(place), chromedp.NodeReady)))
}

// Text is the text at a place, once it is shown.
func (p *Page) Text(place string) (string, error) {
	text, err := Get(p, chromedp.Text(place, by(place), chromedp.NodeVisible))
	return text, p.said("shows no text", place, err)
}

// Value is what a field holds.
func (p *Page) Value(place string) (string, error) {
	value, err := Get(p, chromedp.Value(place, by(place), chromedp.NodeReady))
	return value, p.said("holds no value", place, err)
}

// by is how a place is looked for. The debugger's own search would take a selector for words to find as well.
func by(place string) chromedp.QueryOption {
	if strings.HasPrefix(place, "/") || strings.HasPrefix(place, "(") {
		return func(*chromedp.Selector) {}
	}
	return chromedp.ByFunc(func(ctx context.Context, t *chromedp.Target, from *chromedp.Node) ([]cdp.NodeID, error) {
		found, err := cdp.Call(ctx, t, dom.QuerySelector, dom.QuerySelectorParams{NodeID: from.NodeID, Selector: place})
		if err != nil || found.NodeID == chromedp.EmptyNodeID {
			return nil, err
		}
		return []cdp.NodeID{found.NodeID}, nil
	})
}

// Count is how many elements a CSS selector finds now.
func (p *Page) Count(selector string) (int, error) {
	return Get(p, chromedp.Evaluate[int](fmt.Sprintf("document.querySelectorAll(%q).length", selector)))
}

// Location is the page's address.
func (p *Page) Location() (string, error) { return Get(p, chromedp.Location()) }

// Theme has the page shown as a user who prefers "light" or "dark" sees it.
func (p *Page) Theme(scheme string) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
	return err
}

// Resize gives the page a size in CSS pixels.
func (p *Page) Resize(width, height int64) error {
	return p.Do(chromedp.EmulateViewport(width, height))
}

// Fresh has the page keep nothing of what it fetches, as a browser does that was never here.
func (p *Page) Fresh() error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	_, err := chromedp.Call(ctx, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true})
	return err
}

// said tells what a step waited for, and what the page shows instead.
func (p *Page) said(what, place string, err error) error {
	if err == nil {
		return nil
	}
	shown, _ := Get(p, chromedp.Evaluate[string](`location.pathname + ": " + document.body.innerText.replace(/\s+/g, " ").replace(/^(.{300}).*(.{900})$/, "$1 … $2")`))
	return fmt.Errorf("browser: %s %s: %w; the page shows %q", place, what, err, shown)
}

// Saying is the XPath of the innermost elements with a name ("*" any) that hold a text.
func Saying(element, text string) string {
	return fmt.Sprintf("//%s[contains(normalize-space(.), %s)][not(.//*[contains(normalize-space(.), %[2]s)])]", element, quoted(text))
}

// Called is the XPath of elements whose whole text is name: a button, a link.
func Called(element, name string) string {
	return fmt.Sprintf("//%s[normalize-space(.)=%s or @aria-label=%[2]s]", element, quoted(name))
}

// Labelled is the XPath of the field that a label names.
func Labelled(name string) string {
	q := quoted(name)
	return fmt.Sprintf("//*[@id=//label[normalize-space(.)=%s]/@for]|//label[starts-with(normalize-space(.),%[1]s)]//*[self::input or self::select or self::textarea]|//*[@aria-label=%[1]s]", q)
}

// quoted writes a text as an XPath string, which has no escapes.
func quoted(text string) string {
	if !strings.Contains(text, `'`) {
		return `'` + text + `'`
	}
	if !strings.Contains(text, `"`) {
		return `"` + text + `"`
	}
	return `concat('` + strings.ReplaceAll(text, `'`, `',"'",'`) + `')`
}
