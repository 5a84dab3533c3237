package journal

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"testing"
	"time"
)

// hold opens a journal and keeps it until it is told to end.
func hold(args []string) error {
	j, err := Open(context.Background(), Options{Directory: args[0]})
	if err != nil {
		return err
	}
	fmt.Println("open")
	if _, err := io.ReadAll(os.Stdin); err != nil {
		return err
	}
	return j.Close()
}

// TestTwoServers never share a journal; one that ends is waited for.
func TestTwoServers(t *testing.T) {
	dir := t.TempDir()
	cmd := child(t, "hold", dir)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	_, err = openWith(t.Context(), Options{Directory: dir}, pace{lock: 50 * time.Millisecond})
	refused(t, err, dir, "another server uses the state directory (state.directory); end that one, or give each its own")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, Options{Directory: dir}); err != context.Canceled {
		t.Error(err)
	}
	go in.Close()
	j, err := openWith(t.Context(), Options{Directory: dir}, pace{lock: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	must(t, cmd.Wait())
	must(t, j.Close())
	must(t, j.Close()) // once more does no harm
}

// TestLockedByAnotherProgram, such as somebody who looks at it with a tool.
func TestLockedByAnotherProgram(t *testing.T) {
	dir := filled(t)
	f := newFixture(t, dir, Options{})
	defer f.Close()
	other, err := newWriter(f.path)
	must(t, err)
	defer other.close()
	must(t, other.exec(`BEGIN IMMEDIATE`))
	must(t, f.writer.script(`PRAGMA busy_timeout = 50`)) // 5 s otherwise
	const says = "another process keeps the journal locked; end it, or try again"
	refused(t, f.Write(t.Context(), deed(26)), dir, says)
	must(t, other.exec(`COMMIT`))
	must(t, f.Write(t.Context(), deed(26)))
}

func TestWaitsFor(t *testing.T) {
	f := newFixture(t, t.TempDir(), Options{})
	defer f.Close()
	var busy int
	must(t, f.writer.row(`PRAGMA busy_timeout`, nil, &busy))
	if busy != 5000 || lockWait != 5*time.Second {
		t.Errorf("%v and %d ms", lockWait, busy)
	}
}
