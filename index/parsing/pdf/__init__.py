"""The steps from the letters of a PDF to headings, paragraphs and tables, lowest first.

glyphs (PDFium) -> rows (reading order, columns, tables) -> running titles -> paragraphs
"""
