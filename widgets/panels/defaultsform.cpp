// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/defaultsform.h"

#include "widgets/models/coretext.h"

#include <QCheckBox>
#include <QEvent>
#include <QFontDatabase>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QVBoxLayout>

namespace ql {

DefaultsForm::DefaultsForm(QWidget* parent)
    : QWidget(parent)
    , m_line(new QLineEdit(this))
    , m_note(new QLabel(this))
    , m_share(new QCheckBox(tr("What runs as one matrix shares a scheme"), this))
{
    auto* label = new QLabel(tr("All others"), this);
    label->setBuddy(m_line);
    m_line->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    m_line->setAccessibleName(tr("Default scheme"));
    m_line->setToolTip(tr("The default: for linear layers that no rule and no override decides."));
    m_note->setFont(theme::smallFont());
    m_note->setWordWrap(true);
    m_note->setTextInteractionFlags(Qt::LinksAccessibleByMouse | Qt::LinksAccessibleByKeyboard);
    m_note->setAccessibleName(tr("What no rule decides"));
    m_share->setToolTip(tr("q, k and v of a block get one scheme, gate and up another: that of a locked one, else the one with "
                           "the most bits. Engines that fuse them load nothing else."));
    auto* row = new QHBoxLayout;
    row->addWidget(label);
    row->addWidget(m_line, 1);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(theme::kSpacing, 0, theme::kSpacing, theme::kSpacing);
    column->setSpacing(theme::kSpacing / 2);
    column->addLayout(row);
    column->addWidget(m_note);
    column->addWidget(m_share);
    connect(m_line, &QLineEdit::editingFinished, this, &DefaultsForm::edit);
    connect(m_share, &QCheckBox::clicked, this, &DefaultsForm::shareToggled);
    connect(m_note, &QLabel::linkActivated, this, [this](const QString& link) { Q_EMIT listingWanted(Listing(link.toInt())); });
}

void DefaultsForm::setDefaults(const Scheme& scheme, bool share)
{
    m_scheme = scheme;
    m_line->setText(fromStd(scheme.text()));
    m_share->setChecked(share);
    showNote(m_counts, Ink::Muted);
}

void DefaultsForm::setCounts(const Counts& counts)
{
    const auto link = [](Listing listing, const QString& text) {
        return QStringLiteral("<a href=\"%1\">%2</a>").arg(int(listing)).arg(text);
    };
    QStringList parts{link(ByDefault, tr("%1 by default").arg(counts.byDefault))};
    if (counts.overridden > 0)
        parts << link(Overridden, counts.locked == 0 ? tr("%1 overridden").arg(counts.overridden)
                                                     : tr("%1 overridden, %2 locked").arg(counts.overridden).arg(counts.locked));
    if (counts.kept > 0)
        parts << link(Kept, tr("%1 kept as stored").arg(counts.kept));
    m_counts = parts.join(QStringLiteral(" · "));
    showNote(m_counts, Ink::Muted);
}

void DefaultsForm::clearCounts()
{
    m_counts.clear();
    showNote({}, Ink::Muted);
}

void DefaultsForm::edit()
{
    const auto parsed = Scheme::parse(m_line->text().toStdString());
    if (!parsed.ok())
        return showNote(fromStd(parsed.error().message).toHtmlEscaped(), Ink::Bad);
    showNote(m_counts, Ink::Muted);
    if (*parsed != m_scheme) {
        m_scheme = *parsed;
        Q_EMIT schemeEdited(m_scheme);
    }
}

void DefaultsForm::showNote(const QString& text, Ink ink)
{
    m_ink = ink;
    QPalette palette = this->palette();
    palette.setColor(QPalette::WindowText, theme::color(ink));
    m_note->setPalette(palette);
    m_note->setText(text);
}

void DefaultsForm::changeEvent(QEvent* event)
{
    if (event->type() == QEvent::PaletteChange)
        showNote(m_note->text(), m_ink);
    QWidget::changeEvent(event);
}

} // namespace ql
