// yaml-oracle says what Kubernetes makes of a file: for each FILE one line, the
// JSON array of its documents in order, or {"error":"..."}. Documents are split
// as kubectl does it, those that say nothing are skipped, duplicate keys fail.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

func documents(path string) ([][]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	reader := utilyaml.NewYAMLReader(bufio.NewReader(file))
	var docs [][]byte
	for {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, err
		}
		doc, err := yaml.YAMLToJSONStrict(text)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(doc, []byte("null")) {
			docs = append(docs, doc)
		}
	}
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for _, path := range os.Args[1:] {
		docs, err := documents(path)
		if err != nil {
			line, _ := json.Marshal(map[string]string{"error": err.Error()})
			fmt.Fprintf(out, "%s\n", line)
			continue
		}
		// Joined as they are: another pass through a JSON library could change them.
		fmt.Fprintf(out, "[%s]\n", bytes.Join(docs, []byte(",")))
	}
}
