//! What `explain` and `test` print, and their exit status: docs/command-line.md and `cmd/`, to the
//! letter. To write them anew: `TRYCMD=overwrite cargo test --package portvakt-cli`.

#[test]
fn outputs_and_exit_statuses() {
    trycmd::TestCases::new()
        .env(
            "NAIS_TOKEN_INTROSPECTION_ENDPOINT",
            "http://127.0.0.1:7164/api/v1/introspect",
        )
        .case("../../docs/command-line.md")
        .case("tests/cmd/*.md");
}
