package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// browser is a Chromium of the test's own, at one page.
type browser struct {
	t    testing.TB
	ctx  context.Context //nolint:containedctx // a tab is a context in this driver
	base string
	axe  string
}

// newBrowser starts a Chromium. Where nobody said that one is there, the test
// is skipped.
func newBrowser(t testing.TB, base string) *browser {
	t.Helper()
	path := os.Getenv("ROSTERD_TEST_BROWSER")
	if path == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("ROSTERD_TEST_BROWSER is not set, and this is CI")
		}
		t.Skip("set ROSTERD_TEST_BROWSER=/usr/bin/chromium and ROSTERD_TEST_AXE=axe.min.js to run this: scripts/with-browser does")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(folder(t)), chromedp.DisableGPU)
	if os.Geteuid() == 0 { // Chromium's sandbox is not for root
		options = append(options, chromedp.NoSandbox)
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(alloc)
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil { // without a limit: the browser ends with the context that it was started in
		t.Fatalf("start the browser: %v", err)
	}
	b := &browser{t: t, ctx: ctx, base: base, axe: read(t, os.Getenv("ROSTERD_TEST_AXE"))}
	b.size(1280, 900)
	return b
}

// patience is how long one thing may take in a browser on a busy machine.
const patience = 20 * time.Second

func (b *browser) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.shoot("failed")
		b.t.Fatalf("%s: %v; the page says:\n%.2000s", what, err, b.text("body"))
	}
}

// open goes to a page.
func (b *browser) open(path string) {
	b.t.Helper()
	b.do("open "+path, chromedp.Navigate(b.base+path), chromedp.WaitReady(chromedp.CSS("main")))
}

// press clicks on what leads to another page, and waits until it is there.
func (b *browser) press(selector string) {
	b.t.Helper()
	b.do("press "+selector, chromedp.WaitVisible(chromedp.CSS(selector)), chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector)))
		return err
	}))
}

// fill types into a field.
func (b *browser) fill(selector, text string) {
	b.t.Helper()
	b.do("find "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
	eval[string](b, fmt.Sprintf(`document.querySelector(%q).value = ""`, selector))
	b.do("fill "+selector, chromedp.SendKeys(chromedp.CSS(selector), text))
}

// eval runs JavaScript in the page.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("evaluate %.100s: %v", expression, err)
	}
	return v
}

// text is what a part of the page says.
func (b *browser) text(selector string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, selector))
}

func (b *browser) path() string {
	b.t.Helper()
	return eval[string](b, `location.pathname`)
}

// says waits until a part of the page says something.
func (b *browser) says(selector, want string) {
	b.t.Helper()
	end := time.Now().Add(patience)
	for {
		last := b.text(selector)
		if strings.Contains(strings.ToLower(last), strings.ToLower(want)) {
			return
		}
		if time.Now().After(end) {
			b.shoot("failed")
			b.t.Fatalf("%s at %s does not say %q but\n%.1500s", selector, b.path(), want, last)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// keys types where the focus is.
func (b *browser) keys(keys string) {
	b.t.Helper()
	b.do("type "+keys, chromedp.KeyEvent(keys))
}

// theme has the browser prefer light or dark.
func (b *browser) theme(name string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) size(width, height int64) {
	b.t.Helper()
	b.do("resize", chromedp.EmulateViewport(width, height))
}

// accessible has axe-core look at the page, by the rules of WCAG 2.2 AA and by
// what it calls best practice.
func (b *browser) accessible(what string) {
	b.t.Helper()
	if b.axe == "" {
		b.t.Fatal("ROSTERD_TEST_AXE names no axe-core")
	}
	eval[bool](b, b.axe+`; true`)
	found := eval[string](b, `axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify(r.violations.map((v) => ({
		rule: v.id, help: v.help, nodes: v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + " " + (n.any[0]?.message ?? ""))}))))`)
	var faults []struct {
		Rule, Help string
		Nodes      []string
	}
	if err := json.Unmarshal([]byte(found), &faults); err != nil {
		b.t.Fatal(err)
	}
	for _, f := range faults {
		b.t.Errorf("%s: %s: %s\n\t%s", what, f.Rule, f.Help, strings.Join(f.Nodes, "\n\t"))
	}
}

// shoot keeps a picture of the page in the folder that ROSTERD_TEST_SHOTS
// names, if it names one.
func (b *browser) shoot(name string) {
	b.t.Helper()
	dir := os.Getenv("ROSTERD_TEST_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Logf("take a picture: %v", err)
		return
	}
	write(b.t, filepath.Join(dir, strings.ReplaceAll(b.t.Name(), "/", "-")+"-"+name+".png"), string(png))
}

// click is a click that leads nowhere.
func click(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.Click(chromedp.CSS(selector))
}
