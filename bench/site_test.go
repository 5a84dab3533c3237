package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "pxe-pilot-bench-bin-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "pxe-pilot")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "github.com/pxe-pilot/pxe-pilot/cmd/pxe-pilot")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s", out)
		os.Exit(1)
	}
	// The go command says nothing of a benchmark that was skipped.
	skipped := filepath.Join(dir, "skipped")
	if os.Getenv("PXE_PILOT_SKIPPED") == "" {
		os.Setenv("PXE_PILOT_SKIPPED", skipped)
	}
	status := m.Run()
	if list, err := os.ReadFile(skipped); err == nil {
		fmt.Fprintf(os.Stderr, "*** NOT MEASURED (docs/benchmarks.md says what is needed):\n%s", list)
	}
	os.RemoveAll(dir)
	os.Exit(status)
}

// fileSystems are where the benchmarks of links run. On ext4 and the like TMPDIR
// chooses the disk.
var fileSystems = map[string]string{"disk": os.TempDir(), "tmpfs": "/dev/shm"}

// A site is a TFTP root with n hosts of two MAC addresses, and the server on it.
type site struct {
	b      *testing.B
	dir    string
	config string
	url    string
	names  []string
	client *http.Client
	server *exec.Cmd
}

// A bmc writes the ipmi block of the i-th host; nil where hosts have none.
type bmc func(i int) string

// unseen are BMCs that are known by MAC addresses which nobody has seen.
func unseen(i int) string {
	return fmt.Sprintf("      mac_address: \"02:00:02:%02x:%02x:%02x\"\n      username: \"user\"\n      password: \"pass\"\n      interface: \"lanplus\"\n      subnets: \"10.0.0.0/16\"\n",
		i>>16, i>>8&255, i&255)
}

// newSite writes a site below base.
func newSite(b *testing.B, base string, n int, ipmi bmc) *site {
	b.Helper()
	dir, err := os.MkdirTemp(base, "pxe-pilot-bench-")
	check(b, err)
	b.Cleanup(func() { os.RemoveAll(dir) })
	s := &site{b: b, dir: dir, config: filepath.Join(dir, "pxe-pilot.yml"), client: &http.Client{}}
	conf := filepath.Join(s.root(), "pxelinux.cfg", "conf")
	check(b, os.MkdirAll(conf, 0o755))
	for _, c := range []string{"a", "b"} {
		check(b, os.WriteFile(filepath.Join(conf, c), []byte("DEFAULT "+c+"\n"), 0o644))
	}
	port := freePort(b)
	s.url = "http://127.0.0.1:" + strconv.Itoa(port)
	f, err := os.Create(s.config)
	check(b, err)
	w := bufio.NewWriter(f)
	fmt.Fprintf(w, "---\nhosts:\n")
	for i := range n {
		name := fmt.Sprintf("h%d", i)
		s.names = append(s.names, name)
		fmt.Fprintf(w, "  - name: %s\n    mac_addresses: [\"02:00:00:%02x:%02x:%02x\", \"02:00:01:%02x:%02x:%02x\"]\n",
			name, i>>16, i>>8&255, i&255, i>>16, i>>8&255, i&255)
		if ipmi != nil {
			fmt.Fprintf(w, "    ipmi:\n%s", ipmi(i))
		}
	}
	fmt.Fprintf(w, "tftp:\n  root: %s\nconfiguration:\n  directory: %s\nserver:\n  address: 127.0.0.1\n  port: %d\n", s.root(), conf, port)
	check(b, w.Flush())
	check(b, f.Chmod(0o600))
	check(b, f.Close())
	return s
}

func (s *site) root() string { return filepath.Join(s.dir, "tftp") }

// link is the path of the n-th host's first link.
func (s *site) link(n int) string {
	return filepath.Join(s.root(), "pxelinux.cfg", fmt.Sprintf("01-02-00-00-%02x-%02x-%02x", n>>16, n>>8&255, n&255))
}

func freePort(b *testing.B) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(b, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// start starts the server and returns how long its first answer to a list took.
func (s *site) start() time.Duration {
	s.b.Helper()
	s.server = exec.Command(binary, "server", "-c", s.config)
	// What servers remember of this machine's network is none of ours.
	s.server.Env = append(os.Environ(), "STATE_DIRECTORY="+filepath.Join(s.dir, "state"))
	began := time.Now()
	check(s.b, s.server.Start())
	s.b.Cleanup(s.stop)
	for time.Since(began) < time.Minute {
		r, err := s.client.Get(s.url + "/v1/hosts?status=false")
		if err == nil {
			_, err = io.Copy(io.Discard, r.Body)
			r.Body.Close()
			if err == nil && r.StatusCode == http.StatusOK {
				return time.Since(began)
			}
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			s.b.Fatalf("start: %v", err)
		}
	}
	s.b.Fatal("the server did not answer for a minute")
	return 0
}

func (s *site) stop() {
	if s.server == nil {
		return
	}
	_ = s.server.Process.Signal(syscall.SIGTERM)
	_ = s.server.Wait()
	s.server = nil
}

// memory is a line of the server's /proc/PID/status, in MB.
func (s *site) memory(field string) float64 {
	s.b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.server.Process.Pid))
	check(s.b, err)
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			check(s.b, err)
			return float64(kb) / 1000
		}
	}
	s.b.Fatal("no " + field)
	return 0
}

// body is the body of a deploy of the first n hosts.
func (s *site) body(n int) string {
	return `{"hosts":[{"name":"` + strings.Join(s.names[:n], `"},{"name":"`) + `"}]}`
}

// onceBody is one that deploys to them once.
func (s *site) onceBody(n int, then string) string {
	return strings.ReplaceAll(s.body(n), `"}`, `","then":"`+then+`"}`)
}

// deploy has hosts boot a configuration.
func (s *site) deploy(configuration, body string) time.Duration {
	s.b.Helper()
	began := time.Now()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPut, s.url+"/v1/configurations/"+configuration+"/deploy", strings.NewReader(body))
	check(s.b, err)
	s.send(r, http.StatusNoContent, io.Discard)
	return time.Since(began)
}

// list lists all hosts, without their power.
func (s *site) list() time.Duration {
	s.b.Helper()
	return s.get("/v1/hosts?status=false", io.Discard)
}

// get asks for what is at path.
func (s *site) get(path string, to io.Writer) time.Duration {
	s.b.Helper()
	began := time.Now()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.url+path, nil)
	check(s.b, err)
	s.send(r, http.StatusOK, to)
	return time.Since(began)
}

// send sends a request and copies the answer.
func (s *site) send(r *http.Request, want int, to io.Writer) {
	s.b.Helper()
	answer, err := s.client.Do(r)
	check(s.b, err)
	defer answer.Body.Close()
	if answer.StatusCode != want {
		text, _ := io.ReadAll(answer.Body)
		s.b.Fatalf("%s %s: %d %s", r.Method, r.URL, answer.StatusCode, text)
	}
	_, err = io.Copy(to, answer.Body)
	check(s.b, err)
}

// settle waits until a list comes from memory: directories must have been left
// alone for 100 ms.
func (s *site) settle() {
	<-time.After(150 * time.Millisecond)
	s.list()
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
