// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/schemeeditor.h"

#include "widgets/models/coretext.h"
#include "widgets/models/numbertext.h"
#include "widgets/panels/copyline.h"
#include "widgets/panels/elidedlabel.h"
#include "widgets/panels/schemeform.h"
#include "widgets/theme.h"

#include <QComboBox>
#include <QEvent>
#include <QLabel>
#include <QScrollArea>
#include <QSignalBlocker>
#include <QStandardItemModel>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <array>

namespace ql {
namespace {

QString sourceName(Decision::Source source)
{
    switch (source) {
    case Decision::Source::Default: return SchemeEditor::tr("%1 by the default");
    case Decision::Source::HighPrecision: return SchemeEditor::tr("%1 kept in high precision");
    case Decision::Source::Rule: return SchemeEditor::tr("%1 by a rule");
    case Decision::Source::Override: return SchemeEditor::tr("%1 by an override");
    }
    Q_UNREACHABLE();
}

constexpr int kMostNamed = 8; ///< tensors in a command line that people still read

} // namespace

struct SchemeEditor::Private {
    SchemeEditor* q;
    QList<Subject> subjects;
    QString modelPath;
    SchemeFields pending; ///< edited since the last setSubjects()

    ElidedLabel* heading;
    QWidget* body;
    QWidget* scopeBox;
    QComboBox* scope;
    SchemeForm* form;
    QLabel* message;
    QLabel* because;
    QLabel* cost;
    QToolButton* lock;
    QToolButton* reset;
    CopyLine* schemeText;
    CopyLine* command;

    void build();
    void buildActions();
    void showLock();
    void edited(SchemeField field, bool finished);
    QString misfit(int* fitting) const;
    void showScopes();
    void showBecause();
    void showTexts();
    void showMessage(const QString& text);
    void colour();
};

void SchemeEditor::Private::buildActions()
{
    lock = new QToolButton(q);
    lock->setIcon(theme::icon(QStringLiteral("lock")));
    lock->setCheckable(true);
    reset = new QToolButton(q);
    reset->setIcon(theme::icon(QStringLiteral("reset")));
    reset->setAccessibleName(tr("Back to rule"));
    for (QToolButton* button : {lock, reset})
        button->setFocusPolicy(Qt::StrongFocus);
    connect(lock, &QToolButton::clicked, q, [this](bool locked) { Q_EMIT q->lockToggled(locked); });
    connect(reset, &QToolButton::clicked, q, &SchemeEditor::resetRequested);
}

void SchemeEditor::Private::build()
{
    const auto small = [this](const QString& name) {
        auto* label = new QLabel(q);
        label->setFont(theme::smallFont());
        label->setWordWrap(true);
        label->setTextInteractionFlags(Qt::TextSelectableByMouse);
        label->setAccessibleName(name);
        return label;
    };
    heading = new ElidedLabel(Qt::ElideMiddle, q);
    heading->setAccessibleName(tr("What is edited"));
    scope = new QComboBox(q);
    scope->setAccessibleName(tr("Applies to"));
    scope->setToolTip(tr("What the next change applies to."));
    scope->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon); // long roles do not widen the panel
    scope->setMinimumContentsLength(10);
    form = new SchemeForm(q);
    message = small(tr("Why the scheme does not fit"));
    message->setContentsMargins(6, 4, 6, 4);
    message->setAutoFillBackground(true);
    because = small(tr("Because"));
    cost = small(tr("Storage"));
    schemeText = new CopyLine(tr("scheme text"), q);
    command = new CopyLine(tr("command line"), q);

    scopeBox = new QWidget(q);
    auto* scopeRow = new QHBoxLayout(scopeBox);
    scopeRow->setContentsMargins(0, 0, 0, 0);
    auto* scopeLabel = new QLabel(tr("Applies to"), q);
    scopeLabel->setBuddy(scope);
    scopeRow->addWidget(scopeLabel);
    scopeRow->addWidget(scope, 1);
    buildActions();
    scopeRow->addWidget(lock);
    scopeRow->addWidget(reset);
    auto* inner = new QWidget(q);
    auto* column = new QVBoxLayout(inner);
    column->setContentsMargins(theme::kSpacing, theme::kSpacing, theme::kSpacing, theme::kSpacing);
    column->setSpacing(theme::kSpacing / 2);
    column->addWidget(heading);
    column->addWidget(because);
    column->addSpacing(theme::kSpacing / 2);
    column->addWidget(scopeBox);
    column->addWidget(form);
    column->addWidget(message);
    column->addWidget(cost);
    column->addWidget(schemeText);
    column->addWidget(command);
    column->addStretch(1);
    body = inner;
    auto* area = new QScrollArea(q);
    area->setWidget(inner);
    area->setWidgetResizable(true);
    area->setFrameShape(QFrame::NoFrame);
    area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    auto* all = new QVBoxLayout(q);
    all->setContentsMargins(0, 0, 0, 0);
    all->addWidget(area);
    connect(form, &SchemeForm::edited, q, [this](SchemeField field, bool finished) { edited(field, finished); });
    connect(scope, &QComboBox::activated, q, [this] { showTexts(); });
}

/// Why the present form cannot be applied to some subject, and to how many it can.
QString SchemeEditor::Private::misfit(int* fitting) const
{
    QString why;
    *fitting = 0;
    for (const Subject& subject : subjects) {
        const Scheme wish = withFields(subject.decision.scheme, form->scheme(), pending);
        const Status status = applicable(wish, subject.rows, subject.cols);
        *fitting += status.ok() ? 1 : 0;
        if (!status.ok() && why.isEmpty())
            why = subjects.size() == 1 ? fromStd(status.error().message)
                                       : subject.name + QLatin1String(": ") + fromStd(status.error().message);
    }
    return why;
}

void SchemeEditor::Private::edited(SchemeField field, bool finished)
{
    pending |= field;
    int fitting = 0;
    const QString why = misfit(&fitting);
    showTexts();
    if (fitting == 0) {
        showMessage(tr("Not applied. %1").arg(why));
        return;
    }
    showMessage(why.isEmpty() ? QString()
                              : tr("Fits %1 of %2 tensors. %3").arg(fitting).arg(subjects.size()).arg(why));
    Q_EMIT q->schemeEdited(form->scheme(), q->scope(), finished, pending);
}

void SchemeEditor::Private::showMessage(const QString& text)
{
    message->setText(text);
    message->setVisible(!text.isEmpty());
}

void SchemeEditor::Private::showScopes()
{
    const EditScope before = q->scope();
    const bool wasMany = scope->count() > 0 && before == EditScope::Selection;
    const bool many = subjects.size() > 1;
    const TensorRole role = subjects.isEmpty() ? TensorRole::Other : subjects.first().role;
    const bool oneRole = role != TensorRole::Other && std::all_of(subjects.begin(), subjects.end(), [&](const Subject& s) {
        return s.role == role;
    });
    const QSignalBlocker blocker(scope);
    scope->clear();
    scope->addItem(tr("This tensor"), int(EditScope::Tensor));
    scope->addItem(many ? tr("%1 tensors").arg(subjects.size()) : tr("The selection"),
                   int(EditScope::Selection));
    scope->addItem(oneRole ? tr("All %1 tensors").arg(fromStd(roleName(role))) : tr("All with this role"),
                   int(EditScope::Role));
    scope->addItem(tr("A new rule"), int(EditScope::NewRule));
    const auto disable = [this](EditScope which, const QString& why) {
        auto* item = qobject_cast<QStandardItemModel*>(scope->model())->item(scope->findData(int(which)));
        item->setEnabled(false);
        item->setToolTip(why);
    };
    if (many)
        disable(EditScope::Tensor, tr("Several tensors are selected."));
    else
        disable(EditScope::Selection, tr("Only one tensor is selected."));
    if (!oneRole)
        disable(EditScope::Role, role == TensorRole::Other && !many ? tr("The role of this tensor is not known.")
                                                                    : tr("The selected tensors have different roles."));
    const bool keep = (before == EditScope::Role && oneRole) || before == EditScope::NewRule;
    const EditScope now = keep && !wasMany ? before : many ? EditScope::Selection : EditScope::Tensor;
    scope->setCurrentIndex(scope->findData(int(now)));
}

void SchemeEditor::Private::showBecause()
{
    if (subjects.isEmpty()) {
        heading->setText(tr("Select a tensor to see and change its scheme."));
        because->clear();
        because->setToolTip({});
        return;
    }
    const Subject& first = subjects.first();
    heading->setText(subjects.size() == 1 ? first.name : tr("%1 tensors").arg(subjects.size()));
    if (subjects.size() == 1) {
        const QString fallback = fromStd(first.decision.fallback);
        because->setText(tr("Because: %1").arg(fromStd(first.decision.because)) +
                         (fallback.isEmpty() ? QString() : QLatin1Char('\n') + fallback));
    } else {
        std::array<int, 4> counts = {};
        for (const Subject& subject : subjects)
            ++counts[size_t(subject.decision.source)];
        QStringList parts;
        for (size_t i = 0; i < counts.size(); ++i) {
            if (counts[i] > 0)
                parts << sourceName(Decision::Source(i)).arg(counts[i]);
        }
        because->setText(tr("Because: %1").arg(parts.join(QLatin1String(", "))));
    }
    because->setToolTip(because->text());
}

void SchemeEditor::Private::showLock()
{
    const auto locked = std::count_if(subjects.begin(), subjects.end(), [](const auto& s) { return s.decision.locked; });
    lock->setEnabled(!subjects.isEmpty());
    lock->setChecked(locked > 0 && locked == subjects.size());
    lock->setToolTip(lock->isChecked() ? tr("Locked: the scheme stays whatever rules and searches say. Click to unlock.")
                     : locked > 0      ? tr("Lock all (%1 of %2 are locked).").arg(locked).arg(subjects.size())
                                       : tr("Lock: the scheme stays whatever rules and searches say."));
    lock->setAccessibleName(lock->isChecked() ? tr("Unlock") : tr("Lock"));
    const bool overridden = std::any_of(subjects.begin(), subjects.end(), [](const Subject& s) {
        return s.decision.source == Decision::Source::Override;
    });
    reset->setEnabled(overridden);
    reset->setToolTip(overridden ? tr("Drop the override: back to the rules and the default.")
                                 : tr("There is no override to drop: rules and the default decide already."));
}

void SchemeEditor::Private::showTexts()
{
    if (subjects.isEmpty()) {
        schemeText->setText({});
        command->setText({});
        cost->clear();
        return;
    }
    const Scheme& scheme = form->scheme();
    QStringList names;
    bool alike = true; // one text says the scheme of all
    for (const Subject& subject : subjects) {
        names << subject.name;
        alike = alike && withFields(subject.decision.scheme, scheme, pending).normalized() == scheme.normalized();
    }
    schemeText->setText(alike ? fromStd(scheme.text()) : QString());
    command->setText(alike && names.size() <= kMostNamed
                         ? commandLine(modelPath.isEmpty() ? QStringLiteral("MODEL") : modelPath, names, scheme)
                         : QString());
    double bits = 0, values = 0;
    for (const Subject& subject : subjects) {
        const Scheme wish = withFields(subject.decision.scheme, scheme, pending);
        if (!applicable(wish, subject.rows, subject.cols).ok())
            continue;
        const double count = double(subject.rows) * double(subject.cols);
        bits += ql::bitsPerWeight(wish, subject.rows, subject.cols) * count;
        values += count;
    }
    cost->setText(values == 0 ? QString()
                              : tr("%1 bits per weight with scales and padding").arg(numberText(bits / values)));
}

void SchemeEditor::Private::colour()
{
    QPalette palette = q->palette();
    palette.setColor(QPalette::WindowText, theme::color(Ink::Muted));
    because->setPalette(palette);
    cost->setPalette(palette);
    palette = q->palette();
    palette.setColor(QPalette::Window, theme::color(Ink::WarningBackground));
    message->setPalette(palette);
}

SchemeEditor::SchemeEditor(QWidget* parent) : QWidget(parent), d(std::make_unique<Private>())
{
    d->q = this;
    d->build();
    d->colour();
    setSubjects({});
}

SchemeEditor::~SchemeEditor() = default;

void SchemeEditor::setSubjects(const QList<Subject>& subjects)
{
    d->subjects = subjects;
    d->pending = {};
    QList<Scheme> schemes;
    for (const Subject& subject : subjects)
        schemes << subject.decision.scheme;
    if (!schemes.isEmpty())
        d->form->setScheme(schemes.first(), differingFields(schemes));
    for (QWidget* part : {static_cast<QWidget*>(d->form), static_cast<QWidget*>(d->scope)})
        part->setEnabled(!subjects.isEmpty());
    for (QWidget* part : {static_cast<QWidget*>(d->form), d->scopeBox})
        part->setVisible(!subjects.isEmpty());
    d->showScopes();
    d->showBecause();
    d->showTexts();
    d->showMessage({});
    d->showLock();
}

void SchemeEditor::setModelPath(const QString& path)
{
    d->modelPath = path;
    d->showTexts();
}

void SchemeEditor::setOutputClip(bool possible, const QString& why)
{
    d->form->setOutputClip(possible, why);
}

EditScope SchemeEditor::scope() const
{
    return EditScope(d->scope->currentData().toInt());
}

Scheme SchemeEditor::scheme() const
{
    return d->form->scheme();
}

void SchemeEditor::changeEvent(QEvent* event)
{
    if (event->type() == QEvent::PaletteChange)
        d->colour();
    QWidget::changeEvent(event);
}

} // namespace ql
