// Records what Go really writes: `go run record_go.go` beside go_requests.json and
// go_json.json renews both. The client has the settings of the platform's webhook sender
// (voipbin/monorepo bin-webhook-manager/pkg/webhookhandler/main.go).
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

type exchange struct {
	Method   string   `json:"method"`
	URI      string   `json:"uri"`
	Answers  []string `json:"answers"`
	Requests []string `json:"requests"`
	Status   int      `json:"status"` // 0: no status, an error
}

type encoded struct {
	Value any    `json:"value"`
	Text  string `json:"text"`
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

func redirect(status int, location string) string {
	return fmt.Sprintf("HTTP/1.1 %d X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", status, location)
}

var exchanges = []exchange{
	{Method: "POST", URI: "http://{target}/hook?a=b#devhook=1.abc", Answers: []string{ok}},
	{Method: "", URI: "http://{target}/hook", Answers: []string{ok}},
	{Method: "PUT", URI: "http://{target}/hook", Answers: []string{ok}},
	{Method: "DELETE", URI: "http://user:pa%20ss@{target}/hook", Answers: []string{ok}},
	{Method: "HEAD", URI: "http://{target}/hook", Answers: []string{ok}},
	{Method: "post", URI: "HTTP://{other}/Hook", Answers: []string{ok}},
	{Method: "POST", URI: "http://{target}", Answers: []string{ok}},
	{Method: "POST", URI: "http://{target}?q=1", Answers: []string{ok}},
	{Method: "POST", URI: "http://{target}/?#", Answers: []string{ok}},
	{Method: "POST", URI: "http://{target}/a b/ü/%2f|^`{}\"<>?x=ü&z=|", Answers: []string{ok}},
	{Method: "POST", URI: "http://{target}/a;b=c@d:e!$&'()*+,~[x]%2F", Answers: []string{ok}},
	{Method: "POST", URI: "http://{target}/a%zz", Answers: []string{ok}},
	{Method: "P ST", URI: "http://{target}/hook", Answers: []string{ok}},
	{Method: "POST", URI: "http://u:p@{target}/one#frag", Answers: []string{redirect(301, "/two"), ok}},
	{Method: "POST", URI: "http://{target}/one", Answers: []string{redirect(302, "http://{other}/two"), ok}},
	{Method: "GET", URI: "http://{target}/one", Answers: []string{redirect(303, "/a/./b/../c"), ok}},
	{Method: "PUT", URI: "http://u:p@{target}/one#frag", Answers: []string{redirect(307, "two?x#y"), ok}},
	{Method: "PUT", URI: "http://u:p@{target}/one", Answers: []string{redirect(308, "http://{other}/two"), redirect(301, "/three"), ok}},
	{Method: "POST", URI: "http://{target}/one", Answers: []string{redirect(307, "/2"), redirect(307, "/3"), redirect(307, "/4")}},
	{Method: "POST", URI: "http://{target}/one", Answers: []string{redirect(302, "")}},
	{Method: "POST", URI: "http://{target}/one", Answers: []string{redirect(304, "/two")}},
	{Method: "POST", URI: "http://{target}/one", Answers: []string{redirect(302, "%zz")}},
	{Method: "POST", URI: "http://{target}/one", Answers: []string{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok}},
	{Method: "POST", URI: "http://{target}/one", Answers: []string{"SSH-2.0-OpenSSH_9.2\r\n\r\n"}},
	{Method: "POST", URI: "http://{target}/one", Answers: []string{"HTTP/1.1 404 Not Found\nTransfer-Encoding: chunked\n\n2\r\nab\r\n0\r\n\r\n"}},
}

// The target: answers each request with the next of the script, and keeps its bytes.
type target struct {
	sync.Mutex
	answers  []string
	requests []string
}

func (t *target) serve(connection net.Conn) {
	defer connection.Close()
	reader := bufio.NewReader(connection)
	for {
		var head bytes.Buffer
		for !bytes.HasSuffix(head.Bytes(), []byte("\r\n\r\n")) {
			b, err := reader.ReadByte()
			if err != nil {
				return
			}
			head.WriteByte(b)
		}
		var length int
		if _, after, found := strings.Cut(head.String(), "Content-Length: "); found {
			fmt.Sscanf(after, "%d", &length)
		}
		body := make([]byte, length)
		io.ReadFull(reader, body)
		t.Lock()
		t.requests = append(t.requests, head.String()+string(body))
		answer := t.answers[0]
		t.answers = t.answers[1:]
		t.Unlock()
		io.WriteString(connection, answer)
	}
}

func record(client *http.Client, t *target, e *exchange, expand, shrink *strings.Replacer) {
	t.requests, t.answers = nil, nil
	for _, answer := range e.Answers {
		t.answers = append(t.answers, expand.Replace(answer))
	}
	body := []byte(`{"type":"x_y","data":{"id":"1"}}`)
	request, err := http.NewRequest(e.Method, expand.Replace(e.URI), bytes.NewBuffer(body))
	if err == nil {
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("X-VoIPBIN-Signature", "sha256=00")
		var response *http.Response
		if response, err = client.Do(request); err == nil {
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
			e.Status = response.StatusCode
		}
	}
	t.Lock()
	defer t.Unlock()
	e.Requests = []string{}
	for _, written := range t.requests {
		e.Requests = append(e.Requests, shrink.Replace(written))
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	t := &target{}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go t.serve(connection)
		}
	}()
	host := listener.Addr().String()
	_, port, _ := net.SplitHostPort(host)
	expand := strings.NewReplacer("{target}", host, "{other}", "localhost:"+port)
	shrink := strings.NewReplacer(host, "{target}", "localhost:"+port, "{other}")
	client := &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			ResponseHeaderTimeout: 15 * time.Second,
			MaxIdleConnsPerHost:   5,
			IdleConnTimeout:       30 * time.Second,
		},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) >= 3 {
				return errors.New("too many redirects")
			}
			return nil
		},
	}
	for i := range exchanges {
		record(client, t, &exchanges[i], expand, shrink)
	}
	write("go_requests.json", exchanges)
	write("go_json.json", texts())
}

func texts() []encoded {
	values := []any{
		nil, true, false, 0, -7, 12345678901234567, "", "plain",
		"a<b>&c \u2028\u2029 \"q\" \\ / \x00\x01\x1f\x7f\b\f\n\r\t ü 😀 \u0085 \ufeff",
		1.5, 1e-5, 1e-6, 9.99e-7, 1.5e-7, 1e-10, 1e16, 1e20, 1e21, 1.5e300, 0.1, 5e-324, -2.5e-9,
		math.MaxFloat64, []any{}, []any{1, "a", nil}, map[string]any{},
		map[string]any{"<k>&": []any{map[string]any{"é": 1}}},
	}
	result := []encoded{}
	for _, value := range values {
		text, err := json.Marshal(value)
		if err != nil {
			panic(err)
		}
		result = append(result, encoded{value, string(text)})
	}
	return result
}

func write(name string, recorded any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	note := map[string]any{"recorded_with": runtime.Version(), "recorded": recorded}
	if err := encoder.Encode(note); err != nil {
		panic(err)
	}
	if err := os.WriteFile(name, text.Bytes(), 0o644); err != nil {
		panic(err)
	}
}
