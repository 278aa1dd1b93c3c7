"""What MkDocs needs to show pages that are written for GitHub as well."""


def on_page_markdown(markdown: str, **_) -> str:
    """Lets tables inside folded parts be Markdown, which they are on GitHub."""
    return markdown.replace("<details>", '<details markdown="1">')
