package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"go.uber.org/goleak"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// contract reads openapi.yaml once and checks it against OpenAPI 3.1 itself.
var contract = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(apiv1.OpenAPI)
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(context.Background())
})

// A lab is a server under test. Whatever is asked of it goes through ask, which
// holds the request and the answer against the contract.
type lab struct {
	t       testing.TB
	handler http.Handler
	doc     *openapi3.T
	router  routers.Router
	log     *bytes.Buffer
	site    *pilot.Site
}

func newLab(t testing.TB, p Pilot) *lab {
	t.Helper()
	doc, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, doc: doc, router: router, log: &bytes.Buffer{}}
	l.handler = New(p, Options{
		Logger:       slog.New(slog.NewJSONHandler(l.log, nil)),
		AllowedHosts: func() []string { return []string{"pxe.example.net"} },
		Hostname:     "boot.lan.example",
	})
	return l
}

// An answer is what came back, with its body.
type answer struct {
	*http.Response
	body []byte
}

func (a answer) message(t testing.TB) string {
	t.Helper()
	var e apiv1.Error
	if err := json.Unmarshal(a.body, &e); err != nil {
		t.Fatalf("status %d, %q: %v", a.StatusCode, a.body, err)
	}
	return e.Message
}

// ask sends a request; headers are "Name: value".
func (l *lab) ask(method, target, body string, headers ...string) answer {
	l.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "localhost:3478"
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	return l.send(r, body)
}

func (l *lab) send(r *http.Request, body string) answer {
	l.t.Helper()
	w := httptest.NewRecorder()
	l.handler.ServeHTTP(w, r)
	res := w.Result()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	l.check(r, body, res, got)
	return answer{res, got}
}

// check holds one request and its answer against the contract.
func (l *lab) check(r *http.Request, sent string, res *http.Response, got []byte) {
	l.t.Helper()
	what := r.Method + " " + r.URL.String()
	if len(what) > 200 {
		what = what[:200] + "..."
	}
	if res.Header.Get("X-Request-Id") == "" {
		l.t.Errorf("%s: no X-Request-Id", what)
	}
	asked := r.Clone(context.Background())
	if r.Method == http.MethodHead {
		asked.Method = http.MethodGet
	}
	asked.URL = tidied(asked).URL
	if strings.HasPrefix(asked.URL.Path, belowTFTP) {
		// A path has no slashes in OpenAPI.
		asked.URL.Path = belowTFTP + "path"
		asked.URL.RawPath = ""
	}
	route, params, err := l.router.FindRoute(asked)
	if err != nil {
		l.checkOutside(what, r, res, got)
		return
	}
	if r.Method == http.MethodHead && res.Header.Get("ETag") == "" {
		// net/http drops the body; the recorder keeps it, so that it is checked too.
		l.checkLength(what, res, got)
	}
	// The contract says that the Content-Type is not looked at.
	asked.Header.Set("Content-Type", "application/json")
	if strings.HasSuffix(asked.URL.Path, "/failed") {
		asked.Header.Set("Content-Type", "text/plain")
	}
	asked.Body = io.NopCloser(strings.NewReader(sent))
	asked.ContentLength = int64(len(sent))
	in := &openapi3filter.RequestValidationInput{
		Request: asked, PathParams: params, Route: route,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	if err := openapi3filter.ValidateRequest(asked.Context(), in); err != nil && res.StatusCode < 400 {
		l.t.Errorf("%s: answered %d to a request that is against the contract: %v", what, res.StatusCode, brief(err))
	}
	for name := range r.URL.Query() {
		if route.Operation.Parameters.GetByInAndName("query", name) == nil && res.StatusCode != 400 && res.StatusCode != 403 {
			l.t.Errorf("%s: answered %d to the query parameter %q, which is not in the contract", what, res.StatusCode, name)
		}
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: res.StatusCode, Header: res.Header,
		Body: io.NopCloser(bytes.NewReader(got)), Options: in.Options,
	}
	if err := openapi3filter.ValidateResponse(asked.Context(), out); err != nil {
		l.t.Errorf("%s: the answer %d is against the contract: %s\n%.2000s", what, res.StatusCode, brief(err), got)
	}
	if res.StatusCode >= 400 {
		l.checkError(what, res, got)
	}
}

// checkOutside is for paths and methods that are not in the contract: what it
// says of all errors holds for them, too.
func (l *lab) checkOutside(what string, r *http.Request, res *http.Response, got []byte) {
	l.t.Helper()
	switch {
	case res.StatusCode == http.StatusNoContent && r.Method == http.MethodOptions:
	case res.StatusCode < 400:
		l.t.Errorf("%s is not in the contract, but was answered %d", what, res.StatusCode)
	default:
		l.checkError(what, res, got)
	}
	if res.StatusCode == http.StatusMethodNotAllowed && res.Header.Get("Allow") == "" {
		l.t.Errorf("%s: 405 without Allow", what)
	}
}

func (l *lab) checkError(what string, res *http.Response, got []byte) {
	l.t.Helper()
	if kind := res.Header.Get("Content-Type"); strings.HasPrefix(kind, "text/plain") && forConsole.MatchString(what) {
		l.checkLine(what, res, got)
		return
	}
	var v any
	if err := json.Unmarshal(got, &v); err != nil {
		l.t.Errorf("%s: the answer %d is not JSON: %q", what, res.StatusCode, got)
		return
	}
	if err := l.doc.Components.Schemas["Error"].Value.VisitJSON(v, openapi3.EnableJSONSchema2020()); err != nil {
		l.t.Errorf("%s: the answer %d is no error of the contract: %s", what, res.StatusCode, brief(err))
	}
	if kind := res.Header.Get("Content-Type"); kind != "application/json" {
		l.t.Errorf("%s: the error is of type %q", what, kind)
	}
	message := answer{res, got}.message(l.t)
	if strings.ContainsAny(message, "\r\n\x00\x1b") || len(message) > 1000 {
		l.t.Errorf("%s: the message is not one clear line: %q", what, message)
	}
	l.checkLength(what, res, got)
}

// forConsole are the requests whose errors are text.
var forConsole = regexp.MustCompile(`^\w+ (https?://[^/]*)?/*(boot|tftp)\b`)

func (l *lab) checkLine(what string, res *http.Response, got []byte) {
	l.t.Helper()
	if res.StatusCode == http.StatusPreconditionFailed && len(got) == 0 {
		return
	}
	line, isLine := strings.CutSuffix(string(got), "\n")
	if !isLine || line == "" || strings.ContainsAny(line, "\r\n\x00\x1b") || len(line) > 1000 {
		l.t.Errorf("%s: %d is not one clear line: %q", what, res.StatusCode, got)
	}
	if res.StatusCode != http.StatusRequestedRangeNotSatisfiable { // which net/http itself answers
		l.checkLength(what, res, got)
	}
}

// brief leaves out the schema that is printed after each error.
func brief(err error) string { return schemas.ReplaceAllString(err.Error(), "") }

var schemas = regexp.MustCompile(`(?s)\nSchema:\n.*?\n\nValue:\n.*?(\n  }|\n  \]|\n  "[^\n]*)\n`)

func (l *lab) checkLength(what string, res *http.Response, got []byte) {
	l.t.Helper()
	if res.ContentLength != int64(len(got)) {
		l.t.Errorf("%s: Content-Length %d for %d bytes", what, res.ContentLength, len(got))
	}
}

// seedHosts are the hosts of the example that the product began with.
func seedHosts(t testing.TB) *pxepilot.Inventory {
	t.Helper()
	inv, err := pxepilot.NewInventory([]*pxepilot.Host{
		{Name: "h1", MACs: []pxepilot.MAC{{5: 0x01}}},
		{Name: "h2", MACs: []pxepilot.MAC{{5: 0x02}}, IPMI: &pxepilot.IPMI{
			MAC:         pxepilot.MAC{5: 0xa2},
			Credentials: pxepilot.Credentials{Username: "user", Password: pxepilot.NewSecret("pass"), PasswordEnv: "BMC_PASS"},
			Interface:   "lanplus", Subnets: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")},
		}},
		{Name: "h3", MACs: []pxepilot.MAC{{5: 0x03}, {5: 0x33}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// A memory is a pilot.Root without a file system. It insists that no name
// reaches it unchecked.
type memory struct {
	t        testing.TB
	inv      *pxepilot.Inventory
	opened   atomic.Int32
	variants map[string][]pxepilot.Variant
	loaders  []string
	links    map[string]string // host name -> configuration
	state    map[string]pxepilot.State
	err      error // of everything
	files    map[string]string
	view     *pxepilot.View
	changes  int
}

func (m *memory) View(_ context.Context, inv *pxepilot.Inventory) (*pxepilot.View, error) {
	if m.err != nil {
		return nil, m.err
	}
	if m.view != nil {
		return m.view, nil
	}
	var hosts []pxepilot.HostStatus
	for _, h := range inv.Hosts() {
		s := pxepilot.HostStatus{Host: h, Canonical: true}
		for _, b := range m.loaders {
			s.Links = append(s.Links, m.linksOf(h, b)...)
		}
		s.State, s.Configuration = pxepilot.StateOf(s.Links)
		hosts = append(hosts, s)
	}
	var configurations []pxepilot.Configuration
	for _, name := range slices.Sorted(maps.Keys(m.variants)) {
		c := pxepilot.Configuration{Name: name}
		for _, v := range m.variants[name] {
			c.Bootloaders = append(c.Bootloaders, v.Bootloader)
		}
		configurations = append(configurations, c)
	}
	m.view = pxepilot.NewView(inv, hosts, configurations)
	return m.view, nil
}

func (m *memory) linksOf(h *pxepilot.Host, loader string) []pxepilot.Link {
	var links []pxepilot.Link
	for i, mac := range h.MACs {
		l := pxepilot.Link{Bootloader: loader, MAC: mac, Path: "pxelinux.cfg/01-" + mac.Dashed(), State: pxepilot.None}
		if c := m.links[h.Name]; c != "" {
			l.State, l.Configuration, l.Target = pxepilot.Configured, c, "conf/"+c
			if i > 0 {
				l.Target, l.Through = "01-"+h.MACs[0].Dashed(), []string{links[0].Path}
			}
		}
		if s := m.state[h.Name]; s != "" {
			l.State, l.Configuration, l.Target = s, "", ""
		}
		l.Canonical = true
		links = append(links, l)
	}
	return links
}

func (m *memory) Read(_ context.Context, configuration string) ([]pxepilot.Variant, error) {
	m.checked(configuration)
	return m.variants[configuration], m.err
}

func (m *memory) Change(ctx context.Context, inv *pxepilot.Inventory, dryRun bool,
	decide func(*pxepilot.View) ([]pxepilot.Move, error)) ([]pxepilot.Step, error) {
	view, err := m.View(ctx, inv)
	if err != nil {
		return nil, err
	}
	moves, err := decide(view)
	if err != nil {
		return nil, err
	}
	var steps []pxepilot.Step
	for _, move := range moves {
		for i, l := range view.Of(move.Host).Links {
			s := pxepilot.Step{Host: move.Host.Name, Bootloader: l.Bootloader, Path: l.Path, Was: l.Target}
			if move.Want == pxepilot.Deploy {
				m.checked(move.Configuration)
				s.Becomes = "conf/" + move.Configuration
				if i%len(move.Host.MACs) > 0 {
					s.Becomes = "01-" + move.Host.MACs[0].Dashed()
				}
			}
			steps = append(steps, s)
		}
		if !dryRun && move.Want != pxepilot.Repair {
			m.links[move.Host.Name] = move.Configuration
		}
	}
	if !dryRun {
		m.view = nil
		m.changes++
	}
	return steps, nil
}

// Open gives the content of a configuration by the path of a link that leads to
// it, and else one of the files. One that is "closed" is.
func (m *memory) OpenClosed(ctx context.Context, path string) (*pxepilot.File, error) {
	return m.Open(ctx, path)
}

func (m *memory) Open(ctx context.Context, path string) (*pxepilot.File, error) {
	if m.err != nil {
		return nil, m.err
	}
	view, err := m.View(ctx, m.inv)
	if err != nil {
		return nil, err
	}
	f := &pxepilot.File{ModTime: time.Date(2026, 11, 22, 16, 4, 5, 0, time.UTC)}
	text, found := m.files[path]
	if path == defaultPath {
		text, found = "DEFAULT menu\n", true
	}
	for _, h := range view.Hosts {
		for _, l := range h.Links {
			if l.Path == path && l.Configuration != "" {
				f.Bootloader, f.Configuration = l.Bootloader, l.Configuration
				text, found = m.variants[l.Configuration][slices.Index(m.loaders, l.Bootloader)].Content, true
			}
		}
	}
	switch {
	case !found:
		return nil, pxepilot.Errorf(pxepilot.NotFound, "%s is not there", pxepilot.Quote(path))
	case text == "closed":
		return nil, pxepilot.Errorf(pxepilot.Forbidden, "%s is closed", pxepilot.Quote(path))
	}
	m.opened.Add(1)
	f.ReadSeekCloser, f.Size, f.Tag = &opened{strings.NewReader(text), m}, int64(len(text)), fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
	return f, nil
}

// opened is a file that counts how many are open.
type opened struct {
	*strings.Reader
	of *memory
}

func (o *opened) Close() error { o.of.opened.Add(-1); return nil }

func (m *memory) checked(name string) {
	if err := pxepilot.CheckName(name); err != nil {
		m.t.Errorf("an unchecked name reached the TFTP root: %v", err)
	}
}

// newSeed is the site of the example: h2 boots ubuntu-16.04, h3 local.
func newSeed(t testing.TB) (*lab, *memory) {
	return newSite(t, nil, &memory{
		variants: map[string][]pxepilot.Variant{
			"ubuntu-16.04": {{Bootloader: "pxelinux", Content: "DEFAULT ubuntu\n"}},
			"local":        {{Bootloader: "pxelinux", Content: "DEFAULT local\nLABEL local\n  LOCALBOOT 0\n"}},
			"grml-2017.05": {{Bootloader: "pxelinux", Content: "DEFAULT grml <é>\n"}},
		},
		loaders: []string{"pxelinux"},
		links:   map[string]string{"h2": "ubuntu-16.04", "h3": "local"},
	})
}

func newSite(t testing.TB, declared []pxepilot.Bootloader, root *memory) (*lab, *memory) {
	root.t, root.inv = t, seedHosts(t)
	site := &pilot.Site{Inventory: root.inv, Bootloaders: declared, Declared: len(declared) > 0, Root: root, Files: root}
	l := newLab(t, pilot.New(func() *pilot.Site { return site }, func() error { return nil }, pilot.Options{}))
	l.site = site
	return l, root
}
