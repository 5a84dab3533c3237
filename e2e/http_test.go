package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// An answer is what came for a request.
type answer struct {
	status int
	header http.Header
	body   string
}

// message is the one of an error; the test fails where it is not just one line.
func (a answer) message(t *testing.T) string {
	t.Helper()
	var e apiv1.Error
	d := json.NewDecoder(strings.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		t.Errorf("status %d: %q is not an error of API v1: %v", a.status, a.body, err)
	}
	if kind := a.header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("status %d: Content-Type %s", a.status, kind)
	}
	if e.Message == "" || strings.ContainsAny(e.Message, "\n\r\x00") || len(e.Message) > 2000 {
		t.Errorf("status %d: not one clear line: %.300q", a.status, e.Message)
	}
	return e.Message
}

func ask(t *testing.T, method, url, body string, edit ...func(*http.Request)) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range edit {
		e(r)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, res)
}

func read(t *testing.T, res *http.Response) answer {
	t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

// dial opens a bare connection to a server.
func dial(t *testing.T, s *lab.Server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(3 * lab.Patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func TestForeignHostHeader(t *testing.T) {
	site := newSite(t, lab.Hosts(1, 1)...)
	site.Describe(t, site.Text(lab.Hosts(1, 1)...)+"  allowed_hosts: [pxe.example.net]\n")
	server := site.Serve(t)
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{
		"evil.example.com":           403,
		"localhost.evil.example.com": 403,
		"127.0.0.1.evil.example.com": 403,
		"localhost":                  200,
		"LOCALHOST:3478":             200,
		"127.0.0.1:1":                200,
		"[::1]:3478":                 200,
		"10.1.2.3":                   200,
		"pxe.example.net:3478":       200,
		machine:                      200,
	} {
		got := ask(t, "GET", server.URL+"/v1/hosts", "", func(r *http.Request) { r.Host = host })
		if got.status != want {
			t.Errorf("Host %s: status %d, want %d", host, got.status, want)
		}
		if want == 403 && !strings.Contains(got.message(t), "allowed_hosts") {
			t.Errorf("Host %s: %s", host, got.body)
		}
	}
	got := ask(t, "PUT", server.URL+"/v1/configurations/local/deploy", `{"hosts":[{"name":"h1"}]}`,
		func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
	if got.status != 403 {
		t.Errorf("a web page of another origin: status %d", got.status)
	}
	got.message(t)
}

func TestWrongMethod(t *testing.T) {
	server := newSite(t).Serve(t)
	for _, tt := range []struct{ method, path, allow string }{
		{"POST", "/v1/configurations/local/deploy", "OPTIONS, PUT"},
		{"DELETE", "/v1/hosts", "GET, HEAD, OPTIONS"},
		{"BREW", "/v1/hosts/h1", "GET, HEAD, OPTIONS"},
		{"GET", "/v1/clear", "OPTIONS, PUT"},
	} {
		got := ask(t, tt.method, server.URL+tt.path, "")
		if got.status != 405 || got.header.Get("Allow") != tt.allow {
			t.Errorf("%s %s: status %d, Allow %q, want 405 and %q", tt.method, tt.path, got.status, got.header.Get("Allow"), tt.allow)
		}
		got.message(t)
	}
}

// A body of 100 MB is refused without being read, whether its size is announced
// or not, and the server does not grow by it.
func TestHugeBody(t *testing.T) {
	const size = 100 << 20
	server := newSite(t, lab.Hosts(1, 1)...).Serve(t)
	body := func() io.Reader {
		return io.MultiReader(strings.NewReader(`{"hosts":[{"name":"`), io.LimitReader(spaces{}, size))
	}
	request := func(length int64) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), "PUT", server.URL+"/v1/configurations/local/deploy", io.NopCloser(body()))
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = length
		return r
	}
	check := func(how string, got answer) {
		t.Helper()
		if got.status != 413 || !strings.Contains(got.message(t), "8 MiB") {
			t.Errorf("%s: status %d: %s", how, got.status, got.body)
		}
	}

	// As curl does it: it waits for leave, which it does not get.
	r := request(size)
	r.Header.Set("Expect", "100-continue")
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: lab.Patience}}
	defer client.CloseIdleConnections()
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	check("asked first", read(t, res))

	// As a client that sends without listening.
	for _, length := range []int64{size, -1} {
		c := dial(t, server)
		go func() { _ = request(length).Write(c) }() // it fails once the server had enough
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("length %d: %v", length, err)
		}
		check(fmt.Sprintf("length %d", length), read(t, res))
	}

	testenv.Need(t, "curl")
	file := lab.Dir(t) + "/body"
	lab.Write(t, file, strings.Repeat(" ", size))
	stdout, stderr, status := lab.Output(t, "curl", "-sS", "-T", file, "-w", "%{http_code}", server.URL+"/v1/configurations/local/deploy")
	if status != 0 || !strings.HasSuffix(stdout, "}\n413") {
		t.Errorf("curl: exit status %d\n%s%s", status, stdout, stderr)
	}

	if kb := resident(t, server.Pid()); kb > 64<<10 {
		t.Errorf("the server takes %d MB afterwards", kb>>10)
	}
	if got := ask(t, "GET", server.URL+"/v1/healthcheck", ""); got.status != 204 {
		t.Errorf("afterwards: status %d", got.status)
	}
}

type spaces struct{}

func (spaces) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// resident is the most memory that a process ever took, in KiB.
func resident(t *testing.T, pid int) int {
	t.Helper()
	for line := range strings.Lines(lab.Read(t, fmt.Sprintf("/proc/%d/status", pid))) {
		var kb int
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kb); err == nil {
			return kb
		}
	}
	t.Fatal("the kernel does not tell")
	return 0
}

// Requests that are sent without waiting are answered in order.
func TestPipelining(t *testing.T) {
	server := newSite(t, lab.Hosts(3, 1)...).Serve(t)
	c := dial(t, server)
	var all bytes.Buffer
	for i := range 30 {
		r, err := http.NewRequest("GET", fmt.Sprintf("%s/v1/hosts/h%d", server.URL, 1+i%4), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := httputil.DumpRequestOut(r, true)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	send(t, c, all.String())
	in := bufio.NewReader(c)
	for i := range 30 {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		got := read(t, res)
		want, status := fmt.Sprintf(`"name":"h%d"`, 1+i%4), 200
		if i%4 == 3 {
			want, status = "host \\\"h4\\\" not found", 404
		}
		if got.status != status || !strings.Contains(got.body, want) {
			t.Errorf("answer %d: status %d: %s", i, got.status, got.body)
		}
	}
}

// Clients that dribble hold nobody up, and are hung up on.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	server := newSite(t, lab.Hosts(1, 1)...).Serve(t)
	began := time.Now()
	hungUp := make(chan error)
	const slow = 200
	for i := range slow {
		c := dial(t, server)
		send(t, c, "GET /v1/hosts HTTP/1.1\r\nHost: localhost\r\n")
		go func() {
			if i%2 == 0 { // some go on dribbling
				dribble := time.NewTicker(500 * time.Millisecond)
				defer dribble.Stop()
				go func() {
					for range dribble.C {
						if _, err := io.WriteString(c, "X-A: b\r\n"); err != nil {
							return
						}
					}
				}()
			}
			_, err := io.Copy(io.Discard, c)
			hungUp <- err
		}()
	}
	if got := ask(t, "GET", server.URL+"/v1/hosts", ""); got.status != 200 {
		t.Errorf("beside %d slow clients: status %d", slow, got.status)
	}
	for range slow {
		select {
		case <-hungUp: // by FIN or RST
		case <-time.After(lab.Patience):
			t.Fatalf("slow clients are still connected after %v", time.Since(began))
		}
	}
	if took := time.Since(began); took < 5*time.Second {
		t.Errorf("hung up after %v already: slow lines exist", took)
	}
	if !testenv.Soak() {
		return
	}
	// A body that dribbles gets longer, for it may be large.
	c := dial(t, server)
	send(t, c, "PUT /v1/clear HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
	began = time.Now()
	if text, err := io.ReadAll(c); err != nil || time.Since(began) > 70*time.Second {
		t.Errorf("a body that dribbles: after %v: %v\n%s", time.Since(began), err, text)
	}
}

// On SIGTERM what is under way is answered, and nobody else is let in.
func TestGracefulStop(t *testing.T) {
	host := lab.Hosts(1, 2)[0]
	site := newSite(t, host)
	server := site.Serve(t)
	deploy(t, server, "local", host)

	release := holdLock(t, site.Root)
	under := make(chan error, 1)
	go func() {
		_, err := server.Client.Deploy(t.Context(), "install", apiv1.Change{Hosts: refs(host)})
		under <- err
	}()
	idle := dial(t, server)
	send(t, idle, "GET /v1/healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if res, err := http.ReadResponse(bufio.NewReader(idle), nil); err != nil {
		t.Fatalf("beside a deploy that waits: %v", err)
	} else if got := read(t, res); got.status != 204 {
		t.Errorf("beside a deploy that waits: status %d", got.status)
	}
	server.Wait(t, "another process is changing the TFTP root")
	server.Signal(t, syscall.SIGTERM)
	server.Wait(t, "msg=stopping")
	lab.Until(t, "new connections are refused", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	select {
	case err := <-under:
		t.Fatalf("the deploy ended while another one held the lock: %v", err)
	default:
	}
	release()
	if err := <-under; err != nil {
		t.Errorf("the deploy that was under way: %v", err)
	}
	if status := server.Exit(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if got, err := boot(site, host); err != nil || got != "install" {
		t.Errorf("afterwards the host boots %q (%v)", got, err)
	}
	if _, err := io.Copy(io.Discard, idle); err != nil {
		t.Errorf("an idle connection was not closed in order: %v", err)
	}
	if found := lab.Leftovers(t, site.Root); len(found) > 0 {
		t.Errorf("left over: %q", found)
	}
}

// An installer may have no other client than "printf ... | nc HOST PORT", which
// shuts down its sending side once it has asked. It did not leave.
func TestClientThatStopsSending(t *testing.T) {
	host := lab.Hosts(1, 1)[0]
	site := newSite(t, host)
	server := site.Serve(t)
	for i := range 40 {
		configuration := []string{"install", "local"}[i%2]
		c := dial(t, server)
		body := `{"hosts":[{"mac_address":"` + host.MACs[0] + `"}]}`
		send(t, c, fmt.Sprintf("PUT /v1/configurations/%s/deploy HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", configuration, len(body), body))
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, res); got.status != 204 {
			t.Fatalf("deploy %d: status %d: %s", i, got.status, got.body)
		}
		if got, err := boot(site, host); err != nil || got != configuration {
			t.Fatalf("deploy %d: the host boots %q (%v)", i, got, err)
		}
	}
}

// holdLock takes the lock of a TFTP root as another writer does.
func holdLock(t *testing.T, root string) (release func()) {
	t.Helper()
	f, err := os.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return func() { _ = f.Close() }
}
