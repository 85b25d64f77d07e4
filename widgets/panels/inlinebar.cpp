// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/inlinebar.h"

#include "widgets/theme.h"

#include <QAccessible>
#include <QClipboard>
#include <QEvent>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QToolButton>

namespace ql {

struct InlineBar::Private {
    InlineBar* q;
    Level level = Level::Info;
    QString details;
    QLabel* icon;
    QLabel* text;
    QToolButton* action;
    QToolButton* copy;
    QToolButton* close;

    void build();
    void colour();
};

void InlineBar::Private::build()
{
    icon = new QLabel(q);
    text = new QLabel(q);
    text->setWordWrap(true);
    text->setTextFormat(Qt::PlainText);
    text->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    action = new QToolButton(q);
    copy = new QToolButton(q);
    copy->setText(tr("Copy details"));
    close = new QToolButton(q);
    close->setIcon(theme::icon(QStringLiteral("close")));
    close->setToolTip(tr("Close this message (Esc)"));
    close->setAccessibleName(tr("Close this message"));
    auto* row = new QHBoxLayout(q);
    row->setContentsMargins(theme::kSpacing, theme::kSpacing / 2, theme::kSpacing / 2, theme::kSpacing / 2);
    row->setSpacing(theme::kSpacing);
    row->addWidget(icon);
    row->addWidget(text, 1);
    for (QToolButton* button : {action, copy, close}) {
        button->setFocusPolicy(Qt::StrongFocus);
        row->addWidget(button);
    }
    connect(action, &QToolButton::clicked, q, [this] {
        q->hide(); // answered; what the action does may show the next message
        Q_EMIT q->actionTriggered();
    });
    connect(copy, &QToolButton::clicked, q, [this] {
        QGuiApplication::clipboard()->setText(details.isEmpty() ? text->text() : details);
    });
    connect(close, &QToolButton::clicked, q, &QWidget::hide);
}

void InlineBar::Private::colour()
{
    const Ink ink = level == Level::Error     ? Ink::ErrorBackground
                    : level == Level::Warning ? Ink::WarningBackground
                                              : Ink::InfoBackground;
    const QString name = level == Level::Error     ? QStringLiteral("error")
                         : level == Level::Warning ? QStringLiteral("warning")
                                                   : QStringLiteral("info");
    QPalette palette = q->palette();
    palette.setColor(QPalette::Window, theme::color(ink));
    q->setPalette(palette);
    icon->setPixmap(theme::icon(name).pixmap(QSize(16, 16), q->devicePixelRatioF()));
}

InlineBar::InlineBar(QWidget* parent) : QFrame(parent), d(std::make_unique<Private>())
{
    d->q = this;
    setAutoFillBackground(true);
    d->build();
    d->colour();
    hide();
}

InlineBar::~InlineBar() = default;

void InlineBar::showMessage(Level level, const QString& text, const QString& details, const QString& actionText)
{
    d->level = level;
    d->details = details;
    d->text->setText(text);
    d->text->setToolTip(details);
    d->action->setText(actionText);
    d->action->setVisible(!actionText.isEmpty());
    d->copy->setVisible(level != Level::Info || !details.isEmpty());
    const QString kind = level == Level::Error ? tr("Error") : level == Level::Warning ? tr("Warning") : tr("Note");
    setAccessibleName(kind + QLatin1String(": ") + text);
    d->colour();
    setVisible(!text.isEmpty());
    QAccessibleEvent event(this, QAccessible::Alert);
    QAccessible::updateAccessibility(&event);
}

void InlineBar::hidePast()
{
    if (d->level != Level::Warning)
        hide();
}

QString InlineBar::text() const
{
    return isHidden() ? QString() : d->text->text();
}

void InlineBar::changeEvent(QEvent* event)
{
    if (event->type() == QEvent::PaletteChange)
        d->colour();
    QFrame::changeEvent(event);
}

void InlineBar::keyPressEvent(QKeyEvent* event)
{
    if (event->key() == Qt::Key_Escape)
        hide();
    else
        QFrame::keyPressEvent(event);
}

} // namespace ql
